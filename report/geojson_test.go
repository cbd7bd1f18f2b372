package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"bcc/aggregate"
	"bcc/wsi"
)

func TestItWritesGeoJSONByTheRules(t *testing.T) {
	t.Parallel()
	in := sampleOf(t,
		"88800000",
		"80800088",
		"88800088",
		"00088000", // touches both at a corner
		"00088000",
	)
	var b strings.Builder
	if err := writeLesions(&b, in.Answer.Lesions); err != nil {
		t.Fatal(err)
	}
	var c struct {
		Type     string
		Features []struct {
			Type, ID string
			Geometry struct {
				Type        string
				Coordinates json.RawMessage
			}
			Properties struct {
				ObjectType     string
				Classification struct {
					Name  string
					Color [3]int
				}
				Measurements map[string]float64
				IsLocked     *bool
			}
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &c); err != nil {
		t.Fatal(err)
	}
	if c.Type != "FeatureCollection" || len(c.Features) != len(in.Answer.Lesions) || len(c.Features) == 0 {
		t.Fatalf("%s with %d features for %d lesions", c.Type, len(c.Features), len(in.Answer.Lesions))
	}
	ids := map[string]bool{}
	for i, f := range c.Features {
		l := in.Answer.Lesions[i]
		ids[f.ID] = true
		var polygons [][][][2]float64
		switch f.Geometry.Type {
		case "Polygon":
			polygons = make([][][][2]float64, 1)
			if err := json.Unmarshal(f.Geometry.Coordinates, &polygons[0]); err != nil {
				t.Fatal(err)
			}
		case "MultiPolygon":
			if err := json.Unmarshal(f.Geometry.Coordinates, &polygons); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("geometry %q", f.Geometry.Type)
		}
		var px float64
		for _, p := range polygons {
			for k, ring := range p {
				if len(ring) < 4 || ring[0] != ring[len(ring)-1] {
					t.Errorf("ring %v is not closed", ring)
				}
				var area float64
				for j := 1; j < len(ring); j++ {
					area += (ring[j-1][0]*ring[j][1] - ring[j][0]*ring[j-1][1]) / 2
				}
				if (area > 0) != (k == 0) {
					t.Errorf("ring %d runs the wrong way round", k)
				}
				px += area
			}
		}
		if got := px * 0.25 / 1e6; math.Abs(got-l.AreaMM2) > 1e-9 {
			t.Errorf("lesion %d: polygons of %v mm², want %v", i, got, l.AreaMM2)
		}
		m := f.Properties
		if f.Type != "Feature" || m.ObjectType != "annotation" || m.Classification.Name != "BCC" || m.IsLocked == nil ||
			math.Abs(m.Measurements["Score"]-l.Score) > 1e-9 || math.Abs(m.Measurements["Area mm^2"]-l.AreaMM2) > 5e-5 {
			t.Errorf("lesion %d: %+v", i, f)
		}
	}
	if len(ids) != len(c.Features) {
		t.Error("two features share an id")
	}
}

func TestItWritesAnEmptyCollectionWithoutLesions(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := writeLesions(&b, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.ReplaceAll(b.String(), "\n", ""), `{"type":"FeatureCollection","features":[]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A huge collection leaves in pieces: no write is larger than one ring.
func TestItStreamsLesions(t *testing.T) {
	t.Parallel()
	in := sample(t)
	lesions := make([]aggregate.Lesion, 20_000)
	for i := range lesions {
		lesions[i] = in.Answer.Lesions[i%2]
	}
	var w largest
	if err := writeLesions(&w, lesions); err != nil {
		t.Fatal(err)
	}
	if w.piece > 4096 || w.total < 1<<20 {
		t.Errorf("largest piece %d of %d bytes", w.piece, w.total)
	}
}

type largest struct{ piece, total int }

func (w *largest) Write(b []byte) (int, error) {
	w.piece, w.total = max(w.piece, len(b)), w.total+len(b)
	return len(b), nil
}

func TestItWritesEveryPatchInGridOrder(t *testing.T) {
	t.Parallel()
	in := sample(t)
	var b strings.Builder
	if err := writePatches(&b, in.Grid, "prob_bcc", in.Probs); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rows[0], ","); got != "minx,miny,width,height,prob_bcc" {
		t.Errorf("header %s", got)
	}
	for i, row := range rows[1:] {
		r := in.Grid.Rect(i)
		want := fmt.Sprintf("%d %d %d %d %.4f", r.X, r.Y, r.W, r.H, in.Probs[i])
		if got := strings.Join(row, " "); got != want {
			t.Errorf("row %d is %s, want %s", i, got, want)
		}
	}
	if len(rows) != 1+len(in.Probs) {
		t.Errorf("%d rows for %d patches", len(rows)-1, len(in.Probs))
	}
}

func TestItWritesFourDecimalsAsStrconvDoes(t *testing.T) {
	t.Parallel()
	for i := range 100_001 {
		p := float32(i) / 100_000
		if got, want := string(appendFixed4(nil, p)), strconv.FormatFloat(float64(p), 'f', 4, 64); got != want {
			// Halves may round either way: 1e-4 apart at most.
			a, _ := strconv.ParseFloat(got, 64)
			b, _ := strconv.ParseFloat(want, 64)
			if math.Abs(a-b) > 1.0001e-4 || math.Abs(a-float64(p)) > 0.5000001e-4 {
				t.Fatalf("%v is written %s, want %s", p, got, want)
			}
		}
	}
}

func TestItStopsAtTheFirstErrorOfTheWriter(t *testing.T) {
	t.Parallel()
	in := sample(t)
	r, w := io.Pipe()
	r.CloseWithError(io.ErrShortWrite)
	if err := writeLesions(w, in.Answer.Lesions); err != io.ErrShortWrite {
		t.Errorf("lesions: %v", err)
	}
	if err := writePatches(w, in.Grid, "prob_bcc", in.Probs); err != io.ErrShortWrite {
		t.Errorf("patches: %v", err)
	}
}

func TestItShowsAThumbnailInsideTheSlide(t *testing.T) {
	t.Parallel()
	mpp := wsi.MPP{X: 0.5, Y: 0.25}
	for _, c := range []struct {
		peak  wsi.Rect
		slide wsi.Size
		want  wsi.Rect
	}{
		{wsi.Rect{X: 5000, Y: 5000, W: 224, H: 448}, wsi.Size{W: 9000, H: 9000}, wsi.Rect{X: 4662, Y: 4324, W: 900, H: 1800}},
		{wsi.Rect{X: 0, Y: 8900, W: 224, H: 100}, wsi.Size{W: 9000, H: 9000}, wsi.Rect{X: 0, Y: 7200, W: 900, H: 1800}},
		{wsi.Rect{X: 0, Y: 0, W: 200, H: 200}, wsi.Size{W: 200, H: 200}, wsi.Rect{X: 0, Y: 0, W: 200, H: 200}},
	} {
		if got := ThumbnailRect(c.peak, c.slide, mpp); got != c.want {
			t.Errorf("peak %v on %v: %v, want %v", c.peak, c.slide, got, c.want)
		}
	}
}
