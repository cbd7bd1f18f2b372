package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bcc/aggregate"
	"bcc/fault"
	"bcc/wsi"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// dataURI hides pictures from the golden page: their bytes belong to Go's
// encoders, their content is tested on its own.
var dataURI = regexp.MustCompile(`data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+`)

func TestItWritesTheSetAsAgreed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Write(dir, sample(t)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ResultFile, TimingFile, PatchesFile, LesionsFile, PageFile} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got = dataURI.ReplaceAll(got, []byte("data:image/$1"))
		golden := filepath.Join("testdata", "golden", name)
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s differs from its golden file (run with -update and read the change):\n%s", name, diff)
		}
	}
}

func TestItWritesTheSameBytesAgain(t *testing.T) {
	t.Parallel()
	a, b := t.TempDir(), t.TempDir()
	for _, dir := range []string{a, b, b} { // and over an older set
		if err := Write(dir, sample(t)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(contents(t, a), contents(t, b)); diff != "" {
		t.Error(diff)
	}
	if n := len(contents(t, a)); n != 6 {
		t.Errorf("%d files, want the six of the set", n)
	}
}

func TestItReadsBackWhatItWrote(t *testing.T) {
	t.Parallel()
	dir, in := t.TempDir(), sample(t)
	if err := Write(dir, in); err != nil {
		t.Fatal(err)
	}
	r, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r.Prediction != aggregate.BCC || len(r.Lesions) != 2 || r.Tissue.AreaMM2 != 0.6123 {
		t.Errorf("read %+v", r)
	}
	if diff := cmp.Diff(in.Result.Canonical(), r); diff != "" {
		t.Errorf("the canonical form is not what is written: %s", diff)
	}
	p := in.Result.Parameters
	other := p
	other.Overlap = 0.5
	for _, c := range []struct {
		slide, model, version string
		p                     Parameters
		want                  bool
	}{
		{"aa11", "bb22", "0.1.0", p, true}, {"xx", "bb22", "0.1.0", p, false}, {"aa11", "xx", "0.1.0", p, false},
		{"aa11", "bb22", "0.1.1", p, false}, {"aa11", "bb22", "0.1.0", other, false}, {"", "", "0.1.0", p, false},
	} {
		if got := r.Same(c.slide, c.model, c.version, c.p); got != c.want {
			t.Errorf("same slide %q, model %q, version %q, %+v: %v, want %v", c.slide, c.model, c.version, c.p, got, c.want)
		}
	}
}

func TestItMissesAnyFileOfASet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if Complete(dir) {
		t.Error("an empty folder is complete")
	}
	if err := Write(dir, sample(t)); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(contents(t, dir)))
	if !Complete(dir) || len(names) != 6 {
		t.Fatalf("a set of %q is not complete", names)
	}
	for _, name := range names {
		path, away := filepath.Join(dir, name), filepath.Join(t.TempDir(), name)
		if err := os.Rename(path, away); err != nil {
			t.Fatal(err)
		}
		if Complete(dir) {
			t.Errorf("complete without %s", name)
		}
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if Complete(dir) {
			t.Errorf("complete with a folder called %s", name)
		}
		if err := errors.Join(os.Remove(path), os.Rename(away, path)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestItReadsTheOldestFormat(t *testing.T) {
	t.Parallel()
	r, err := Load(filepath.Join("testdata", "v1"))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Same("aa11", "bb22", r.Program.Version, r.Parameters) || r.Score != 0.85 {
		t.Errorf("read %+v", r)
	}
}

func TestItRefusesResultsThatAreNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		kind fault.Kind
	}{
		"nothing":         {"", fault.Corrupt},
		"cut off":         {`{"format_version": 1, "slide": {`, fault.Corrupt},
		"no version":      {`{"score": 0.5}`, fault.Corrupt},
		"a later version": {`{"format_version": 2}`, fault.Unsupported},
		"another type":    {`{"format_version": 1, "prediction": "BCC", "score": "high"}`, fault.Corrupt},
		"no prediction":   {`{"format_version": 1, "prediction": "cancer", "score": 0.5}`, fault.Corrupt},
		"score 7":         {`{"format_version": 1, "prediction": "BCC", "score": 7}`, fault.Corrupt},
		"two documents":   {`{"format_version": 1, "prediction": "BCC"}{}`, fault.Corrupt},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ResultFile), []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil || fault.Of(err) != c.kind || !strings.Contains(err.Error(), ResultFile) {
			t.Errorf("%s: %v, want an error of kind %v that names the file", name, err, c.kind)
		}
	}
	if _, err := Load(t.TempDir()); fault.Of(err) != fault.NotFound {
		t.Errorf("no file: %v, want not found", err)
	}
}

func TestItRefusesInputThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Input){
		"no answer":          func(in *Input) { in.Answer = nil },
		"no grid":            func(in *Input) { in.Grid = nil },
		"too few":            func(in *Input) { in.Probs = in.Probs[1:] },
		"no overview":        func(in *Input) { in.Overview = nil },
		"overview cut off":   func(in *Input) { in.Overview.Pix = in.Overview.Pix[1:] },
		"no scale":           func(in *Input) { in.Overview.ScaleX = 0 },
		"no prediction":      func(in *Input) { in.Result.Prediction = "" },
		"thumbnail, cut off": func(in *Input) { in.Thumbnails[0].Pix = nil },
	} {
		in, dir := sample(t), filepath.Join(t.TempDir(), "out")
		spoil(&in)
		if err := Write(dir, in); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: the folder was made", name)
		}
	}
}

func TestItTellsWhenNothingWasAnalysed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Write(dir, sampleOf(t, "....", "....")); err != nil {
		t.Fatal(err)
	}
	r, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r.Prediction != aggregate.Indeterminate || len(r.Degraded) != 1 {
		t.Errorf("%s with %q, want Indeterminate with a note", r.Prediction, r.Degraded)
	}
	page := string(contents(t, dir)[PageFile])
	for _, want := range []string{"No tissue was analysed", aggregate.NoTissue, "Indeterminate"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestItEscapesHostileNames(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}` + "\x00\n\u202e.tif"
	in := sample(t)
	in.Result.Slide.Name, in.Result.Slide.Format, in.Result.Model.Name = evil, evil, evil
	in.Result.Degraded = []string{evil}
	in.Card = Card{Description: evil, TrainingData: evil, Licence: evil, KnownFailures: []string{evil}, IntendedUse: evil,
		Metrics: []Metric{{Name: evil, Set: evil}}, OperatingPoint: OperatingPoint{ChosenOn: evil}}
	dir := t.TempDir()
	if err := Write(dir, in); err != nil {
		t.Fatal(err)
	}
	files := contents(t, dir)
	for _, bad := range []string{"<script", "<img src=x", "onerror=alert(2)>"} {
		if bytes.Contains(files[PageFile], []byte(bad)) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if !json.Valid(files[ResultFile]) || !json.Valid(files[LesionsFile]) {
		t.Error("the JSON is not valid")
	}
	if r, err := Load(dir); err != nil || r.Slide.Name != evil {
		t.Errorf("read back %q, %v", r.Slide.Name, err)
	}
}

func TestItNeedsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := Write(dir, sample(t)); err != nil {
		t.Fatal(err)
	}
	page := string(contents(t, dir)[PageFile])
	for _, bad := range []string{"http://", "https://", "<script", "url(", "@import", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, m := range regexp.MustCompile(`<img [^>]*>`).FindAllString(page, -1) {
		if !strings.Contains(m, `src="data:image/`) || !regexp.MustCompile(`alt="[^"]{10,}"`).MatchString(m) {
			t.Errorf("picture without its bytes or its words: %.80s", m)
		}
	}
}

func TestItOpensAsAPictureOfTheOverviewsSize(t *testing.T) {
	t.Parallel()
	for _, size := range []wsi.Size{{W: 1, H: 1}, {W: 224, H: 224}, {W: 3000, H: 40}, {W: 40, H: 2500}, {W: 1500, H: 1200}} {
		in := sample(t)
		in.Overview = &wsi.Overview{Image: wsi.NewImage(size.W, size.H),
			ScaleX: float64(in.Grid.Slide.W) / float64(size.W), ScaleY: float64(in.Grid.Slide.H) / float64(size.H)}
		dir := t.TempDir()
		if err := Write(dir, in); err != nil {
			t.Fatal(err)
		}
		c, err := png.DecodeConfig(bytes.NewReader(contents(t, dir)[HeatmapFile]))
		if err != nil {
			t.Fatal(err)
		}
		if c.Width > maxPictureSide || c.Height > maxPictureSide+legendHeight || c.Width < minLegendWidth {
			t.Errorf("overview of %v: picture of %dx%d", size, c.Width, c.Height)
		}
	}
}

// contents reads all files of dir.
func contents(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = b
	}
	return all
}

func BenchmarkWrite(b *testing.B) {
	in := sample(b)
	in.Overview = &wsi.Overview{Image: wsi.NewImage(2000, 1500), ScaleX: float64(in.Grid.Slide.W) / 2000, ScaleY: float64(in.Grid.Slide.H) / 1500}
	for i := range in.Overview.Pix { // noise on a gradient: neither flat nor random
		in.Overview.Pix[i] = byte(150 + i/3%2000/40 + i*2654435761>>9&31)
	}
	dir := b.TempDir()
	for b.Loop() {
		if err := Write(dir, in); err != nil {
			b.Fatal(err)
		}
	}
}
