package detect_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bcc/aggregate"
	"bcc/detect"
	"bcc/fault"
	"bcc/report"
	"bcc/wsi"
)

// source is the file at path as List would hand it on.
func source(t *testing.T, path string) detect.Source {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return picture(b)
}

func picture(b []byte) detect.Source {
	return detect.Source{
		ReaderAt: bytes.NewReader(b), Size: int64(len(b)), Name: "s.png",
		SHA256: func() (string, error) { return "beef", nil },
	}
}

func TestALookFindsWhatIsWrittenAndWritesNothing(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	path := filepath.Join(dir, "s.png")
	paint(t, path, piece, nest)
	d := newDetector(t, 2, nil, nil)
	f, err := d.Look(t.Context(), source(t, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	written, err := d.Detect(t.Context(), source(t, path), out, nil)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := report.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(written, f.Result); diff != "" {
		t.Errorf("the look differs from what Detect returns:\n%s", diff)
	}
	if diff := cmp.Diff(loaded, f.Result); diff != "" {
		t.Errorf("the look differs from result.json:\n%s", diff)
	}
	if f.Grid.Len() != f.Result.Tissue.Patches || len(f.Values) != f.Grid.Len() || f.Answer.Heatmap == nil || f.Timing.TotalS <= 0 {
		t.Errorf("%d patches, %d values, %d in the result, timing %+v", f.Grid.Len(), len(f.Values), f.Result.Tissue.Patches, f.Timing)
	}
	for i, v := range f.Values {
		r := f.Grid.Rect(i)
		want := 0.2 // pink
		if (image.Point{X: r.X, Y: r.Y}).In(nest) {
			want = 230. / 255
		}
		if in := image.Rect(r.X, r.Y, r.X+r.W, r.Y+r.H); in.In(piece) && math.Abs(float64(v)-want) > 1e-3 {
			t.Errorf("patch at %v: %v, painted %v", in, v, want)
		}
	}
}

func TestALookNeedsNoDigest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.png")
	paint(t, path, piece, nest)
	src := source(t, path)
	src.SHA256 = nil
	f, err := newDetector(t, 1, nil, nil).Look(t.Context(), src, nil)
	if err != nil || f.Result.Slide.SHA256 != "" {
		t.Errorf("%v, digest %q, want none", err, f.Result.Slide.SHA256)
	}
}

func TestADetectorIsMadeWithOtherParameters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.png")
	paint(t, path, piece, nest)
	d := newDetector(t, 1, nil, nil)
	other, err := d.With(func(c *detect.Config) {
		c.Aggregate = c.Aggregate.WithThreshold(0.95)
		c.Patch.Overlap, c.Patch.MinTissue = 0.5, 0.25
		c.Degraded = []string{"tired"}
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := other.Look(t.Context(), source(t, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := f.Result.Parameters
	if p.Threshold != 0.95 || p.Overlap != 0.5 || p.MinTissue != 0.25 || f.Result.Prediction != aggregate.NonMalignant {
		t.Errorf("%+v, %s", p, f.Result.Prediction)
	}
	if !slices.Equal(f.Result.Degraded, []string{"tired"}) {
		t.Errorf("degraded %q", f.Result.Degraded)
	}
	if f, err = d.Look(t.Context(), source(t, path), nil); err != nil || f.Result.Parameters.Overlap != 0 || len(f.Result.Degraded) != 0 {
		t.Errorf("%v: the first one changed: %+v, %q", err, f.Result.Parameters, f.Result.Degraded)
	}
	if _, err := d.With(func(c *detect.Config) { c.Patch.Overlap = 0.9 }); fault.Of(err) != fault.Invalid {
		t.Errorf("an overlap of 0.9: %v", err)
	}
}

// square is a PNG of one colour that does not say its scale.
func square(t *testing.T, side int, c color.RGBA) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range m.Pix {
		m.Pix[i] = [4]uint8{c.R, c.G, c.B, c.A}[i%4]
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAPictureOfOnePatchNeedsNoScale(t *testing.T) {
	t.Parallel()
	one := func(c *detect.Config) { c.Slide.MPP, c.OnePatch = wsi.MPP{}, true }
	d := newDetector(t, 1, one, nil)
	for name, c := range map[string]struct {
		colour color.RGBA
		value  float32
	}{
		"tissue": {red, 230. / 255},
		"glass":  {color.RGBA{255, 255, 255, 255}, 1}, // scored all the same
	} {
		f, err := d.Look(t.Context(), picture(square(t, patchPx, c.colour)), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(f.Values) != 1 || math.Abs(float64(f.Values[0]-c.value)) > 1e-3 || f.Grid.Rect(0) != (wsi.Rect{W: patchPx, H: patchPx}) {
			t.Errorf("%s: values %v at %v, want %v", name, f.Values, f.Grid.Rect(0), c.value)
		}
		if f.Result.Slide.MPPUM != scaleUM {
			t.Errorf("%s: taken at %v µm, the model has %v", name, f.Result.Slide.MPPUM, scaleUM)
		}
		if want := []string{"the picture does not say its scale: taken as one patch at 4.00 µm per pixel"}; !slices.Equal(f.Result.Degraded, want) {
			t.Errorf("%s: degraded %q", name, f.Result.Degraded)
		}
	}
	if _, err := d.Look(t.Context(), picture(square(t, patchPx+1, red)), nil); fault.Of(err) != fault.Invalid {
		t.Errorf("a pixel more: %v", err)
	}
	off := newDetector(t, 1, func(c *detect.Config) { c.Slide.MPP = wsi.MPP{} }, nil)
	if _, err := off.Look(t.Context(), picture(square(t, patchPx, red)), nil); fault.Of(err) != fault.Invalid {
		t.Errorf("where nobody asked for it: %v", err)
	}
}

// A picture taken as one patch is scored as it is where its scale is given.
func TestAPictureOfOnePatchIsScoredAsAnyOther(t *testing.T) {
	t.Parallel()
	m := image.NewRGBA(image.Rect(0, 0, patchPx, patchPx))
	for i := range patchPx * patchPx {
		m.SetRGBA(i%patchPx, i/patchPx, color.RGBA{uint8(100 + 3*(i%patchPx)), uint8(i / patchPx), 60, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	alone, err := newDetector(t, 1, func(c *detect.Config) { c.Slide.MPP, c.OnePatch = wsi.MPP{}, true }, nil).Look(t.Context(), picture(b.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	scaled, err := newDetector(t, 1, func(c *detect.Config) { c.OnePatch = true }, nil).Look(t.Context(), picture(b.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(scaled.Values) != 1 || !slices.Equal(alone.Values, scaled.Values) || alone.Result.Score != scaled.Result.Score || len(scaled.Result.Degraded) != 0 {
		t.Errorf("values %v and %v, degraded %q", alone.Values, scaled.Values, scaled.Result.Degraded)
	}
	if alone.Grid.Cells[0].Tissue < 0.9 {
		t.Errorf("%v of it is tissue, painted all of it", alone.Grid.Cells[0].Tissue)
	}
}
