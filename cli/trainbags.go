package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"bcc/bag"
	"bcc/dataset"
	"bcc/detect"
	"bcc/fault"
	"bcc/model"
	"bcc/slide"
	"bcc/train"
)

// bagsDir is where, in OUT, bags lie that --bags names no folder for.
const bagsDir = "bags"

// bagged are the slides of a training, each with a bag but those that failed.
type bagged struct {
	set    *dataset.SlideSet
	kind   string
	dir    string
	slides []dataset.Slide  // those asked for
	failed map[string]error // why a slide has no bag, by its name
	first  error            // of those failures; nil: there are none
}

// path returns where the bag of a slide lies: under the slide's name in the set. For
// COBRA it may be that in its folder images/, where bcc embed was given that folder.
func (b *bagged) path(name string) string {
	long := bag.Path(b.dir, name)
	if b.kind != kindCobra {
		return long
	}
	if _, err := os.Stat(long); err == nil {
		return long
	}
	short := bag.Path(b.dir, path.Base(name))
	if _, err := os.Stat(short); err == nil {
		return short
	}
	return long
}

// made is how a rank fared with its share of the slides.
type made struct {
	Failed map[int]*told `json:"failed,omitempty"` // by place in bagged.slides
	Broken *told         `json:"broken,omitempty"` // what kept the rank from its share
}

// embed makes the bags that are missing, as bcc embed does; the ranks share the slides.
// In the run's own folder those of another encoder than the one with this digest give
// way; elsewhere they are somebody's work of hours, and an error. A bag is known by its
// header: reading all slides again would take hours for COBRA.
//
// A slide that cannot be embedded for a reason of its own is left out, the same one on
// all ranks. What would stop the next slide too, a full disk for one, is an error.
func (b *bagged) embed(ctx context.Context, f *trainFlags, world train.Collective, encoder *model.Bundle, digest string, notes io.Writer) error {
	var items []detect.Item
	var places []int
	var missing, foreign, stands float64
	var other strange // one of the foreign ones
	for i, s := range b.slides {
		if i%world.Size() != world.Rank() {
			continue
		}
		old, err := bag.OpenFile(b.path(s.Name))
		if err == nil {
			old.Close()
			if old.Encoder == digest {
				continue
			}
			foreign++
			other = strange{b.path(s.Name), old.Encoder}
		}
		missing++
		items, places = append(items, detect.Item{Name: s.Name, Path: s.Path}), append(places, i)
	}
	if _, err := os.Stat(filepath.Join(f.out, checkpointDir, train.CheckpointFile)); err == nil && world.Rank() == 0 {
		stands = 1
	}
	counts := []float64{missing, foreign, stands}
	if err := world.AllReduce(ctx, counts); err != nil {
		return err
	}
	missing, foreign, stands = counts[0], counts[1], counts[2]
	if missing == 0 {
		return nil
	}
	if err := f.mayEmbed(foreign > 0, stands > 0); err != nil {
		return err
	}
	if foreign > 0 && !f.ownBags() {
		all, err := gather(ctx, world, other)
		if err != nil {
			return err
		}
		return f.refuseBags(all, int(foreign), digest)
	}
	fmt.Fprintf(notes, "embedding %v of %s into %s with %s%s%s\n", missing, slides(len(b.slides)), filepath.ToSlash(b.dir), printable(encoder.Card.Name),
		when(foreign > 0, "; %v of them have bags of another model, which give way", foreign),
		when(world.Size() > 1, "; %d here, the rest in %d other processes", len(items), world.Size()-1))

	var mine made
	if world.Rank() == 0 { // one alone: each would take away the folder that another has made
		mine.Broken = tell(writableAs("--bags", f.bags))
	}
	if ready, err := gather(ctx, world, mine); err != nil {
		return err
	} else if err := ready[0].Broken.err(); err != nil {
		return err
	}
	if err := together(ctx, world, func(ctx context.Context) { mine = f.embedHere(ctx, items, places, notes) }); err != nil {
		return err
	}
	all, err := gather(ctx, world, mine)
	if err != nil {
		return err
	}
	return b.settle(all, int(missing), notes)
}

// when is the text where a condition holds, else nothing.
func when(holds bool, format string, args ...any) string {
	if !holds {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// mayEmbed refuses, before hours are spent on it, what a checkpoint in OUT would make
// in vain.
func (f *trainFlags) mayEmbed(foreign, checkpoint bool) error {
	dir := filepath.Join(f.out, checkpointDir)
	switch {
	case checkpoint && !f.resume:
		return fault.Hint(fault.New(fault.Invalid, "%s holds the checkpoint of an earlier run", dir), "--resume goes on from it; another --out begins anew")
	case checkpoint && foreign:
		return fault.Hint(fault.New(fault.Invalid, "bags in %s were made by another model than %s, and %s goes on with those", f.bags, f.encoder, dir),
			"name the model that made them (--model), or begin anew with another --out and --bags")
	}
	return nil
}

// ownBags reports whether the bags lie in the run's own folder.
func (f *trainFlags) ownBags() bool {
	return filepath.Clean(f.bags) == filepath.Join(f.out, bagsDir)
}

// strange is a bag of another encoder; its path is empty where there is none.
type strange struct {
	Path    string `json:"path"`
	Encoder string `json:"encoder"`
}

// refuseBags names one of n bags of another encoder in a folder that is not the run's
// own.
func (f *trainFlags) refuseBags(found []strange, n int, digest string) error {
	one := found[slices.IndexFunc(found, func(s strange) bool { return s.Path != "" })]
	err := fault.New(fault.Invalid, "--bags %s: %s of another encoder than %s (%s), %s for one (%s)",
		f.bags, when(n == 1, "a bag is")+when(n > 1, "%d bags are", n), f.encoder, brief(digest), filepath.ToSlash(one.Path), brief(one.Encoder))
	return fault.Hint(err, "name the model that made them (--model), or another folder; only bags in the run's own folder, %s, are made anew",
		filepath.ToSlash(filepath.Join(f.out, bagsDir)))
}

// brief is as much of a digest as tells it from others.
func brief(digest string) string { return digest[:min(len(digest), 12)] }

// embedHere makes the bags of this rank's share. places say where its slides stand in
// the whole list.
func (f *trainFlags) embedHere(ctx context.Context, items []detect.Item, places []int, notes io.Writer) made {
	if len(items) == 0 {
		return made{}
	}
	w := walkFlags{
		engineFlags: engineFlags{model: f.encoder, device: deviceHere(f.device), enginePath: f.enginePath, workers: f.workersHere()},
		out:         f.bags, minTissue: defaultMinTissue, jobs: defaultJobs,
	}
	ends, err := func() ([]detect.End, error) {
		m, e, err := openEmbedder(ctx, w, notes)
		if err != nil {
			return nil, err
		}
		return walkAll(ctx, items, w, m, e, notes)
	}()
	if err == nil {
		err = stoppedWalk(ctx, ends, notes)
	}
	out := made{Failed: map[int]*told{}, Broken: tell(err)}
	for i, end := range ends {
		if end.Status != detect.Failed {
			continue
		}
		if errors.Is(end.Err, slide.ErrNoMPP) { // whose own hint is of the commands that take a slide's scale
			end.Err = fault.Hint(end.Err, "make its bag with bcc embed --mpp and the scale of its level 0, or write the scale into its file; --mpp here is not that of slides")
		}
		out.Failed[places[i]] = tell(end.Err)
	}
	return out
}

// settle takes what all ranks did, prints the slides that failed, and decides whether
// the rest is a data set.
func (b *bagged) settle(all []made, missing int, notes io.Writer) error {
	b.failed = map[string]error{}
	failures := map[int]error{}
	for _, m := range all {
		if err := m.Broken.err(); err != nil {
			return err
		}
		for at, t := range m.Failed {
			failures[at] = t.err()
		}
	}
	var ends []detect.End
	var stops error
	for at, s := range b.slides {
		err, is := failures[at]
		if !is {
			continue
		}
		b.failed[s.Name] = err
		ends = append(ends, detect.End{Name: s.Name, Status: detect.Failed, Err: err})
		if kind := fault.Of(err); stops == nil && (kind == fault.Unavailable || kind == fault.Busy) {
			stops = err
		}
	}
	failed := len(ends)
	if failed == 0 {
		return nil
	}
	for i := failed; i < len(b.slides); i++ { // for the counts below the table
		end := detect.End{Status: detect.Done}
		if i >= missing {
			end.Status = detect.Skipped
		}
		ends = append(ends, end)
	}
	if err := failureTable.print(notes, ends); err != nil {
		return err
	}
	b.first = firstFailure(ends)
	switch {
	case stops != nil:
		return fault.Hint(stops, "mend that and run the same command again: bags that were made are kept")
	case failed == len(b.slides):
		return b.first
	}
	return nil
}

// labelled returns the bags of a split.
func (b *bagged) labelled(split string) []bag.Labelled {
	var out []bag.Labelled
	for _, s := range b.of(split) {
		if b.failed[s.Name] == nil {
			out = append(out, bag.Labelled{Path: b.path(s.Name), Name: s.Name, Class: s.Class, Group: s.Group})
		}
	}
	return out
}

// of returns the slides of a split, those that failed too.
func (b *bagged) of(split string) []dataset.Slide {
	var out []dataset.Slide
	for _, s := range b.slides {
		if s.Split == split {
			out = append(out, s)
		}
	}
	return out
}

// leftOut is the error that a training ends with that is whole but for slides that
// failed; nil where none did.
func (b *bagged) leftOut() error {
	if b.first == nil {
		return nil
	}
	err := fault.New(fault.Of(b.first), "%s of %d could not be embedded and were left out: %w", slides(len(b.failed)), len(b.slides), b.first)
	return fault.Hint(err, "mend them, or take them out of the table, and train anew with another --out and --bags %s", b.dir)
}

// samples opens the bags of a split.
func (b *bagged) samples(split string, patches int) (*bag.Samples, error) {
	s, err := bag.NewSamples(b.labelled(split), patches)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || fault.Of(err) == fault.NotFound {
			err = fault.Hint(err, "every process of a run has to see the same folder of bags")
		}
		return nil, fmt.Errorf("split %s: %w", split, err)
	}
	return s, nil
}
