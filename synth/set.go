package synth

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"bcc/fault"
)

// SetConfig says what set of slides to write.
type SetConfig struct {
	Slide Config  // of every slide but for seed, label and growth; its seed is the set's
	Count int     // slides, at least 1
	BCC   float64 // share of slides with BCC, 0 to 1; rounded to whole slides
	Write WriteConfig
	// Done, where set, is called after each slide with the path of its file.
	Done func(i int, path string)
}

// Validate returns every problem of the SetConfig at once.
func (c SetConfig) Validate() error {
	var errs []error
	if c.Count < 1 || c.Count > 100_000 {
		errs = append(errs, fault.New(fault.Invalid, "count %d: must be 1 to 100000", c.Count))
	}
	if !(c.BCC >= 0 && c.BCC <= 1) {
		errs = append(errs, fault.New(fault.Invalid, "share of BCC %v: must be 0 to 1", c.BCC))
	}
	one := c.Slide
	one.BCC = one.BCC || one.Growth != Any // the set decides the label
	if err := one.Validate(); err != nil {
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "set of slides: %w", errors.Join(errs...))
}

// Item is one slide of a set.
type Item struct {
	Name  string
	Slide Config
	Group string // the made-up patient
	Split string // train, val or test
}

// Items returns the slides of a set. Labels and splits are shuffled by the seed, each
// split holding both labels in proportion; 70, 10 and 20 % of the slides.
func (c SetConfig) Items() []Item {
	r := stream(c.Slide.Seed, 20)
	positive := int(math.Round(c.BCC * float64(c.Count)))
	items := make([]Item, c.Count)
	order := r.Perm(c.Count)
	for k, i := range order {
		s := c.Slide
		s.Seed = r.Uint64() >> 11 // fits a JSON number
		s.BCC = k < positive
		if !s.BCC {
			s.Growth = Any
		} else if c.Slide.Growth == Any {
			s.Growth = Growths()[k%3]
		}
		items[i] = Item{Name: fmt.Sprintf("synth-%05d", i), Slide: s, Group: fmt.Sprintf("p%05d", i)}
	}
	divide := func(part []int) {
		for k, i := range part {
			items[i].Split = "train"
			switch k % 10 {
			case 4, 9:
				items[i].Split = "test"
			case 7:
				items[i].Split = "val"
			}
		}
	}
	divide(order[:positive])
	divide(order[positive:])
	if c.Slide.Variant == Cobra {
		c.share(items)
	}
	return items
}

// WriteSet writes a set into a folder, which it makes where it is missing: for each
// slide its file, NAME.json, NAME.geojson and NAME.mask.tif, and at last labels.csv;
// for the variant Cobra in its folders and with its tables besides. Every file
// appears under its name only when it is whole.
func WriteSet(ctx context.Context, dir string, cfg SetConfig) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	slides := dir
	if cfg.Slide.Variant == Cobra {
		slides = filepath.Join(dir, cobraImages)
	}
	if err := os.MkdirAll(slides, 0o755); err != nil {
		return fault.New(fault.Unavailable, "write set: %w", err)
	}
	items := cfg.Items()
	rows := [][]string{{"path", "label", "group", "split", "growth", "seed"}}
	for i, it := range items {
		s, err := New(it.Slide)
		if err != nil {
			return err
		}
		path, err := cfg.writeSlide(ctx, slides, it, s)
		if err != nil {
			return fmt.Errorf("write slide %s: %w", it.Name, err)
		}
		t := s.Truth()
		below, err := filepath.Rel(dir, path)
		if err != nil {
			return fault.New(fault.Internal, "write labels: %w", err)
		}
		rows = append(rows, []string{filepath.ToSlash(below), strconv.Itoa(t.Label), it.Group, it.Split,
			string(t.Growth), strconv.FormatUint(t.Seed, 10)})
		if cfg.Done != nil {
			cfg.Done(i, path)
		}
	}
	if cfg.Slide.Variant == Cobra {
		if err := cfg.writeTables(dir, items); err != nil {
			return err
		}
	}
	if err := writeCard(dir); err != nil {
		return err
	}
	return writeTable(dir, "labels.csv", rows)
}

// writeSlide writes one slide of a set with all that belongs to it.
func (c SetConfig) writeSlide(ctx context.Context, dir string, it Item, s *Scene) (path string, err error) {
	if c.Slide.Variant != Cobra {
		return WriteFiles(ctx, dir, it.Name, s, c.Write)
	}
	masks := filepath.Join(filepath.Dir(dir), cobraMasks)
	if err := os.MkdirAll(masks, 0o755); err != nil {
		return "", fault.New(fault.Unavailable, "write set: %w", err)
	}
	err = atomically(filepath.Join(masks, it.Name+".tif"), func(f *os.File) error {
		w := c.Write
		w.Tissue = f
		path, err = WriteFiles(ctx, dir, it.Name, s, w)
		return err
	})
	return path, err
}

// writeTable writes a table of a set.
func writeTable(dir, name string, rows [][]string) error {
	var table bytes.Buffer
	if err := csv.NewWriter(&table).WriteAll(rows); err != nil {
		return fault.New(fault.Internal, "write %s: %w", name, err)
	}
	return atomically(filepath.Join(dir, name), func(f *os.File) error {
		if _, err := f.Write(table.Bytes()); err != nil {
			return fault.New(fault.Unavailable, "write %s: %w", name, err)
		}
		return nil
	})
}

// WriteFiles writes one slide with its mask and its truth into dir and returns the
// path of the slide's file, which appears last. After an error nothing that it wrote
// is there.
func WriteFiles(ctx context.Context, dir, name string, s *Scene, cfg WriteConfig) (path string, err error) {
	base := filepath.Join(dir, name)
	path = base + s.cfg.Variant.Ext()
	t := s.Truth()
	err = together([]string{base + ".mask.tif", base + ".json", base + ".geojson", path}, func(f []*os.File) error {
		if err := Write(ctx, f[3], f[0], s, cfg); err != nil {
			return err
		}
		for i, encode := range []func() ([]byte, error){t.JSON, t.GeoJSON} {
			b, err := encode()
			if err == nil {
				_, err = f[1+i].Write(b)
			}
			if err != nil {
				return fault.New(fault.Unavailable, "write truth: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return path, nil
}

// atomically writes a file beside its place and renames it when write succeeded; a
// run that dies leaves at most a hidden file.
func atomically(path string, write func(*os.File) error) error {
	return together([]string{path}, func(f []*os.File) error { return write(f[0]) })
}

// together writes files beside their places and, when write succeeded, gives them
// their names in the order of paths. After an error nothing that it wrote is there.
func together(paths []string, write func([]*os.File) error) (err error) {
	files := make([]*os.File, 0, len(paths))
	named := 0
	defer func() {
		for i, f := range files {
			f.Close() // a second time where all went well: no matter
			if err != nil && i < named {
				err = errors.Join(err, ignoreMissing(os.Remove(paths[i])))
			} else if err != nil {
				err = errors.Join(err, ignoreMissing(os.Remove(f.Name())))
			}
		}
	}()
	for _, path := range paths {
		f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
		if err != nil {
			return fault.New(fault.Unavailable, "create %s: %w", filepath.Base(path), err)
		}
		files = append(files, f)
	}
	if err := write(files); err != nil {
		return err
	}
	for _, f := range files {
		if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
			return fault.New(fault.Unavailable, "finish %s: %w", filepath.Base(f.Name()), err)
		}
	}
	for i, f := range files {
		if err := os.Rename(f.Name(), paths[i]); err != nil {
			return fault.New(fault.Unavailable, "name %s: %w", filepath.Base(paths[i]), err)
		}
		named++
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
