package evaluate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bcc/evaluate"
	"bcc/fault"
	"bcc/wsi"
)

func square(x, y, side float64) [][2]float64 {
	return [][2]float64{{x, y}, {x + side, y}, {x + side, y + side}, {x, y + side}, {x, y}}
}

func raster(t *testing.T, regions []evaluate.Region, slide wsi.Size, down float64) *evaluate.Label {
	t.Helper()
	l, err := evaluate.Raster(regions, slide, down)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestItDrawsRegionsWithTheirHoles(t *testing.T) {
	t.Parallel()
	l := raster(t, []evaluate.Region{
		{Rings: [][][2]float64{square(0, 0, 40), square(10, 10, 20)}},
		{Rings: [][][2]float64{{{50, 0}, {80, 0}, {50, 30}}}}, // not closed: it is anyway
		{Rings: [][][2]float64{square(60, 30, 1e300)}},        // far beyond the slide
	}, wsi.Size{W: 75, H: 40}, 10)
	var b strings.Builder
	for y := range l.H {
		fmt.Fprintln(&b, l.ID[y*l.W:(y+1)*l.W])
	}
	want := "[1 1 1 1 0 2 2 0]\n[1 0 0 1 0 2 0 0]\n[1 0 0 1 0 0 0 0]\n[1 1 1 1 0 0 3 3]\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

// The area of a drawn polygon is its shoelace area, within the pixels that its
// edge cuts.
func TestItDrawsThePolygonsArea(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		var ring [][2]float64
		corners := 3 + rng.IntN(20)
		for i := range corners { // a star around the middle never crosses itself
			s, c := math.Sincos(2 * math.Pi * float64(i) / float64(corners))
			r := 50 + 400*rng.Float64()
			ring = append(ring, [2]float64{500 + r*c, 500 + r*s})
		}
		var area, length float64
		for i, a := range ring {
			b := ring[(i+1)%corners]
			area += (a[0]*b[1] - b[0]*a[1]) / 2
			length += math.Hypot(b[0]-a[0], b[1]-a[1])
		}
		var drawn float64
		for _, id := range raster(t, []evaluate.Region{{Rings: [][][2]float64{ring}}}, wsi.Size{W: 1000, H: 1000}, 2).ID {
			drawn += 4 * float64(id)
		}
		if math.Abs(drawn-area) > length {
			t.Errorf("drawn %v, area %v, edge %v", drawn, area, length)
		}
	}
}

func TestItMeasuresOverlapAsCountedByHand(t *testing.T) {
	t.Parallel()
	slide := wsi.Size{W: 100, H: 100}
	found := raster(t, []evaluate.Region{{Rings: [][][2]float64{square(0, 0, 40)}}}, slide, 10)
	truth := raster(t, []evaluate.Region{{Rings: [][][2]float64{square(20, 20, 40)}}}, slide, 10)
	o, err := evaluate.Compare(found, truth)
	if want := (evaluate.Overlap{Found: 16, True: 16, Both: 4}); err != nil || o != want {
		t.Fatalf("%+v, %v; want %+v", o, err, want)
	}
	if o.Dice() != 0.25 || o.IoU() != 4./28 || o.Precision() != 0.25 || o.Recall() != 0.25 {
		t.Errorf("Dice %v, IoU %v, precision %v, recall %v", o.Dice(), o.IoU(), o.Precision(), o.Recall())
	}
	if got := o.Add(evaluate.Overlap{Found: 4}); got != (evaluate.Overlap{Found: 20, True: 16, Both: 4}) {
		t.Errorf("sum %+v", got)
	}
	if !math.IsNaN((evaluate.Overlap{}).Dice()) {
		t.Error("nothing found and nothing there has a Dice")
	}
	if _, err := evaluate.Compare(found, raster(t, nil, slide, 20)); fault.Of(err) != fault.Invalid {
		t.Errorf("rasters of two sizes: %v", err)
	}
}

func TestItDrawsTheFreeResponseCurve(t *testing.T) {
	t.Parallel()
	slide := wsi.Size{W: 100, H: 100}
	truth := raster(t, []evaluate.Region{{Rings: [][][2]float64{square(0, 0, 20)}}, {Rings: [][][2]float64{square(30, 0, 20)}}}, slide, 10)
	regions := []evaluate.Region{
		{Score: 0.9, Rings: [][][2]float64{square(10, 10, 20)}}, // hits the first
		{Score: 0.8, Rings: [][][2]float64{square(70, 70, 20)}}, // hits none
		{Score: 0.5, Rings: [][][2]float64{square(30, 10, 10)}}, // hits the second
		{Score: 0.5, Rings: [][][2]float64{square(50, 50, 10)}}, // hits none, same score
	}
	s, err := evaluate.Hits(regions, raster(t, regions, slide, 10), truth, 2)
	if err != nil {
		t.Fatal(err)
	}
	got, err := evaluate.FROC([]evaluate.SlideHits{s, {}})
	if err != nil {
		t.Fatal(err)
	}
	want := []evaluate.FROCPoint{{Threshold: 0.9, Sensitivity: 0.5}, {0.8, 0.5, 0.5}, {0.5, 1, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := evaluate.FROC([]evaluate.SlideHits{{}}); fault.Of(err) != fault.Invalid {
		t.Errorf("no true lesion: %v", err)
	}
	if _, err := evaluate.Hits(regions[:1], raster(t, regions, slide, 10), truth, 1); fault.Of(err) != fault.Invalid {
		t.Errorf("lesions missing from the list: %v", err)
	}
}

func TestItReadsRegionsFromGeoJSON(t *testing.T) {
	t.Parallel()
	regions, err := evaluate.ReadRegions(strings.NewReader(`{"type":"FeatureCollection","features":[
		{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[10,0],[10,10],[0,0]],[[1,1],[2,1],[2,2],[1,1]]]},"properties":{"measurements":{"Score":0.75}}},
		{"type":"Feature","geometry":{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]],[[[5,5],[6,5],[6,6],[5,5]]]]},"properties":{}}]}`))
	if err != nil || len(regions) != 2 || regions[0].Score != 0.75 || len(regions[0].Rings) != 2 || len(regions[1].Rings) != 2 {
		t.Errorf("%+v, %v", regions, err)
	}
	for _, bad := range []string{
		``, `[]`, `{"type":"Feature"}`,
		`{"type":"FeatureCollection","features":[{"geometry":{"type":"Point","coordinates":[1,2]}}]}`,
		`{"type":"FeatureCollection","features":[{"geometry":{"type":"Polygon","coordinates":[1,2]}}]}`,
		`{"type":"FeatureCollection","features":[{"geometry":{"type":"Polygon"}}]}`,
	} {
		if _, err := evaluate.ReadRegions(strings.NewReader(bad)); fault.Of(err) != fault.Corrupt {
			t.Errorf("%.60s: %v, want an error of kind corrupt", bad, err)
		}
	}
	if _, err := evaluate.Raster(nil, wsi.Size{W: 1 << 30, H: 1 << 30}, 1); fault.Of(err) != fault.Invalid {
		t.Errorf("a raster of 2^60 pixels: %v", err)
	}
}

// What was found on a slide where nothing was drawn is all false.
func TestItComparesFilesOfLesions(t *testing.T) {
	t.Parallel()
	found := filepath.Join(t.TempDir(), "found.geojson")
	const text = `{"type":"FeatureCollection","features":[{"geometry":{"type":"Polygon","coordinates":[[[0,0],[160,0],[160,160],[0,160],[0,0]]]},"properties":{"measurements":{"Score":0.75}}}]}`
	if err := os.WriteFile(found, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	size := wsi.Size{W: 320, H: 320} // 20×20 raster pixels of 16
	for truth, want := range map[string]evaluate.Overlap{"": {Found: 100}, found: {Found: 100, True: 100, Both: 100}} {
		o, hits, err := evaluate.CompareLesions(found, truth, size)
		if err != nil || o != want || len(hits.Hits) != 1 || len(hits.Hits[0].True) != hits.True {
			t.Errorf("truth %q: %+v, %+v, %v", truth, o, hits, err)
		}
	}
	if _, _, err := evaluate.CompareLesions(found, found+"x", size); fault.Of(err) != fault.NotFound {
		t.Errorf("no such file: %v", err)
	}
}
