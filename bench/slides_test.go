package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bcc/fault"
)

func TestItReadsWhatTheWalkOfOthersPrints(t *testing.T) {
	t.Parallel()
	const (
		ready = `{"ready_s": 0.5, "torch": "1.13", "openslide": "3.4.1", "python": "3.11", "blas": "openblas"}` + "\n"
		one   = `{"slide": "a.tif", "patches": 10, "found": 12, "shared": 9, "score": 0.5}` + "\n"
		two   = `{"slide": "b.tif", "patches": 5, "found": 5, "shared": 5, "score": 0.1}` + "\n"
		end   = `{"seconds": 3.0, "slides": 2, "patches": 15}` + "\n"
	)
	w, err := readWSI([]byte(ready+one+two+end), 2)
	if err != nil {
		t.Fatal(err)
	}
	if w.ready != 0.5 || w.seconds != 3 || w.patches != 15 || w.shared != 14 || !strings.Contains(w.version, "OpenSlide 3.4.1, PyTorch 1.13 with openblas") {
		t.Errorf("read %+v", w)
	}
	for name, out := range map[string]string{
		"a slide is missing":     ready + one + `{"seconds": 3.0, "slides": 2, "patches": 10}` + "\n",
		"a slide's patches are":  ready + one + two + `{"seconds": 3.0, "slides": 2, "patches": 14}` + "\n",
		"no end":                 ready + one + two,
		"no beginning":           one + two + end,
		"no time":                ready + one + two + `{"seconds": 0, "slides": 2, "patches": 15}` + "\n",
		"a traceback":            ready + "Traceback (most recent call last):\n" + one + two + end,
		"words of its own":       ready + `{"note": "x"}` + "\n" + one + two + end,
		"more shared than there": ready + `{"slide": "a.tif", "patches": 10, "found": 12, "shared": 90}` + "\n" + two + end,
		"nothing":                "",
	} {
		if w, err := readWSI([]byte(out), 2); fault.Of(err) != fault.Corrupt {
			t.Errorf("%s: %+v, error %v, want it refused", name, w, err)
		}
	}
}

// walks writes a program that prints what it is told to and leaves patches.csv with these
// lines in OUT/s.tif, where OUT follows --out.
func walks(t *testing.T, prints string, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	text := fmt.Sprintf(`#!/bin/sh
while [ "$1" != --out ]; do shift; done
mkdir -p "$2/s.tif"
printf 'minx,miny,width,height,prob_bcc\n%s\n' >"$2/s.tif/patches.csv"
cat <<'END'
%s
END
`, strings.Join(lines, `\n`), prints)
	syscall.ForkLock.RLock() // a child of another test that holds it open for writing could not run it
	err := os.WriteFile(path, []byte(text), 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const wsiPrints = `{"ready_s": 0.1, "torch": "1", "openslide": "3", "python": "3", "blas": "openblas"}
{"slide": "s.tif", "patches": 2, "found": 2, "shared": 1, "score": 0.5}
{"seconds": 100, "slides": 1, "patches": 2}`

func TestItComparesWalks(t *testing.T) {
	t.Parallel()
	b := Slides{
		Name: "n", Slides: []string{"/x/s.tif"}, Cores: 2, Rounds: 2, Env: os.Environ(),
		Program: walks(t, "{}", "0,0,224,224,0.5000", "224,0,224,224,0.2500"),
		Python:  walks(t, wsiPrints, "0,0,224,224,0.500010", "224,0,224,224,0.250000"),
	}
	f, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Patches != 2 || f.Slides != 1 || f.TheirPatchRate != 0.02 || f.TheirSlideRate != 36 || f.Found != 0.5 || f.TheirStart != 0.1 {
		t.Errorf("figures %+v", f)
	}
	if f.Ratio <= 1 || f.RatioLow > f.Ratio || f.RatioHigh < f.Ratio || f.PatchRate <= f.TheirPatchRate {
		t.Errorf("ratio %v (%v to %v) of a walk that takes 100 s to one of none", f.Ratio, f.RatioLow, f.RatioHigh)
	}
	if f.Difference < 0.9e-5 || f.Difference > 1.1e-5 || f.Mean < 0.4e-5 || f.Mean > 0.6e-5 {
		t.Errorf("scores differ by %v, %v in the mean; want 1e-5 and half of it", f.Difference, f.Mean)
	}
	if len(f.Tried) != 11 || !strings.Contains(f.Theirs, "OpenSlide 3") {
		t.Errorf("tried %v, peer %s", f.Tried, f.Theirs)
	}
}

func TestAPeerThatComputesSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	for name, lines := range map[string][]string{
		"other probabilities": {"0,0,224,224,0.6", "224,0,224,224,0.25"},
		"other patches":       {"0,0,224,224,0.5", "225,0,224,224,0.25"},
		"too few patches":     {"0,0,224,224,0.5"},
		"no probability":      {"0,0,224,224,nan", "224,0,224,224,0.25"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := Slides{
				Name: "n", Slides: []string{"/x/s.tif"}, Cores: 1, Rounds: 1, Env: os.Environ(),
				Program: walks(t, "{}", "0,0,224,224,0.5000", "224,0,224,224,0.2500"), Python: walks(t, wsiPrints, lines...),
			}
			if f, err := b.Run(t.Context()); fault.Of(err) != fault.Corrupt {
				t.Errorf("figures %+v, error %v", f, err)
			}
		})
	}
}

// The scripts are run with PyTorch where it is, which is seldom; that they are Python is
// seen wherever there is one.
func TestTheScriptsOfOthersAreParsed(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	scripts, _ := filepath.Glob("peers/*/*.py")
	scripts = append(scripts, "pytorch.py")
	if len(scripts) < 5 {
		t.Fatalf("only %v", scripts)
	}
	out, err := exec.CommandContext(t.Context(), python, append([]string{"-c", "import ast, sys\nfor p in sys.argv[1:]: ast.parse(open(p).read(), p)"}, scripts...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
