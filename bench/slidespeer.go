package bench

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"bcc/fault"
)

//go:embed peers/wsi/*.py
var wsiScripts embed.FS

// writeWSI writes the scripts of the peer and returns the path of the one to run.
func writeWSI(dir string) (string, error) {
	files, err := wsiScripts.ReadDir("peers/wsi")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		data, err := wsiScripts.ReadFile("peers/wsi/" + file.Name())
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, file.Name()), data, 0o600); err != nil {
			return "", fault.New(fault.Unavailable, "%w", err)
		}
	}
	return filepath.Join(dir, "detect.py"), nil
}

// WSISetting is a way to use the cores with OpenSlide and PyTorch.
type WSISetting struct {
	Form      string // eager, channels_last or jit
	Processes int    // above 1: each reads and scores
	Workers   int    // of the DataLoader
	Threads   int    // PyTorch's, in each process that scores
	Batch     int
}

func (s WSISetting) String() string {
	how := fmt.Sprintf("DataLoader of %d workers", s.Workers)
	if s.Processes > 1 {
		how = fmt.Sprintf("%d processes", s.Processes)
	}
	return fmt.Sprintf("%s, %s, torch %d, batch %d", s.Form, how, s.Threads, s.Batch)
}

// TriedSetting is what a setting did on the slide that settings are tried on.
type TriedSetting struct {
	Setting string  `json:"setting"`
	Rate    float64 `json:"patches_per_s"`
}

// wsiPartner runs the peer's walk.
type wsiPartner struct {
	Slides
	script  string
	planned string // folder with the patches that are scored
	dir     string // for what it writes
}

// fastest finds the setting that scores most patches a second, on the slide with the
// median number of patches: first how the cores are used, then the form of the network,
// then the batch. That is a dozen runs in place of fifty. The two fastest run once more.
func (p wsiPartner) fastest(ctx context.Context, tried *[]TriedSetting) (WSISetting, error) {
	slide, err := p.middle()
	if err != nil {
		return WSISetting{}, err
	}
	rates := map[WSISetting]float64{} // the better of a setting's runs
	try := func(s WSISetting) error {
		r, err := p.run(ctx, s, filepath.Join(p.dir, "tried"), []string{slide})
		if err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
		t := TriedSetting{s.String(), float64(r.patches) / r.seconds}
		*tried = append(*tried, t)
		if p.Tried != nil {
			p.Tried(t)
		}
		rates[s] = max(rates[s], t.Rate)
		return nil
	}
	order := func() []WSISetting {
		return slices.SortedFunc(maps.Keys(rates), func(a, b WSISetting) int { return cmp.Compare(rates[b], rates[a]) })
	}
	for _, s := range wsiSettings(p.Cores) {
		if err := try(s); err != nil {
			return s, err
		}
	}
	for _, form := range []string{"channels_last", "jit"} {
		s := order()[0]
		s.Form = form
		if err := try(s); err != nil {
			return s, err
		}
	}
	best := order()[0]
	for _, batch := range []int{8, 128} {
		s := best
		s.Batch = batch
		if err := try(s); err != nil {
			return s, err
		}
	}
	for _, s := range order()[:2] {
		if err := try(s); err != nil {
			return s, err
		}
	}
	return order()[0], nil
}

// wsiSettings are the ways to share so many cores between reading and the network.
func wsiSettings(cores int) []WSISetting {
	all := []WSISetting{
		{Threads: cores},                 // read, score, read, …
		{Threads: cores, Workers: 1},     // one core reads ahead
		{Threads: cores, Workers: cores}, // as many guides have it
		{Threads: max(cores-1, 1), Workers: 1},
	}
	if cores > 1 {
		all = append(all, WSISetting{Threads: 1, Processes: cores})
	}
	for i := range all {
		all[i].Form, all[i].Batch = "eager", 32
	}
	return slices.Compact(all) // one core: some are the same
}

// middle returns the slide with the median number of patches.
func (p wsiPartner) middle() (string, error) {
	count := map[string]int{}
	for _, path := range p.Slides.Slides {
		rects, _, err := patchesIn(filepath.Join(p.planned, filepath.Base(path)))
		if err != nil {
			return "", err
		}
		count[path] = len(rects)
	}
	order := slices.SortedFunc(slices.Values(p.Slides.Slides), func(a, b string) int { return cmp.Compare(count[a], count[b]) })
	return order[len(order)/2], nil
}

// wsiRun is what a run of the peer took.
type wsiRun struct {
	ran
	version string
	ready   float64 // seconds until it began
	seconds float64 // from then to its end
	patches int
	shared  int // of those, that its own tissue mask gives too
}

// run runs it on the slides.
func (p wsiPartner) run(ctx context.Context, s WSISetting, out string, paths []string) (wsiRun, error) {
	args := append([]string{
		p.script, "--model", p.Model, "--out", out, "--patches", p.planned, "--form", s.Form, "--batch", strconv.Itoa(s.Batch),
		"--threads", strconv.Itoa(s.Threads), "--workers", strconv.Itoa(s.Workers), "--processes", strconv.Itoa(max(s.Processes, 1)),
	}, paths...)
	env := append(slices.Clone(p.Env), "OMP_NUM_THREADS="+strconv.Itoa(s.Threads), "PYTHONDONTWRITEBYTECODE=1")
	r, err := runProgram(ctx, env, p.Python, args...)
	if err != nil {
		return wsiRun{}, fault.Hint(err, "bash scripts/setup-peers.sh installs what the peer needs")
	}
	w, err := readWSI(r.out, len(paths))
	w.ran = r
	return w, err
}

// readWSI reads what the peer printed, an object a line. It must have done all slides.
func readWSI(out []byte, slides int) (wsiRun, error) {
	var w wsiRun
	done, sum := 0, 0
	for line := range bytes.Lines(out) {
		var l struct {
			Ready     *float64 `json:"ready_s"`
			Torch     string
			OpenSlide string
			Python    string
			BLAS      string
			Slide     string
			Patches   int
			Found     *int
			Shared    int
			Seconds   *float64
			Slides    int
		}
		if err := json.Unmarshal(line, &l); err != nil {
			return w, fault.New(fault.Corrupt, "the peer printed %.80q: %w", line, err)
		}
		switch {
		case l.Ready != nil:
			w.ready = *l.Ready
			w.version = fmt.Sprintf("OpenSlide %s, PyTorch %s with %s BLAS, Python %s", l.OpenSlide, l.Torch, l.BLAS, l.Python)
		case l.Found != nil:
			done, sum, w.shared = done+1, sum+l.Patches, w.shared+l.Shared
		case l.Seconds != nil:
			w.seconds, w.patches = *l.Seconds, l.Patches
		default:
			return w, fault.New(fault.Corrupt, "the peer printed %.80q, which says nothing", line)
		}
	}
	if done != slides || w.version == "" || !(w.seconds > 0) || w.patches < 1 || w.patches != sum || w.shared > sum {
		return w, fault.New(fault.Corrupt, "the peer printed %d of %d slides, %d of %d patches in %v s", done, slides, w.patches, sum, w.seconds)
	}
	return w, nil
}
