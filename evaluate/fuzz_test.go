package evaluate_test

import (
	"bytes"
	"testing"

	"bcc/evaluate"
	"bcc/wsi"
)

// Whatever a GeoJSON file holds, reading and drawing it gives regions or an
// error, and no raster pixel of a region that is not there.
func FuzzReadRegions(f *testing.F) {
	f.Add([]byte(`{"type":"FeatureCollection","features":[{"geometry":{"type":"Polygon","coordinates":[[[0,0],[10,0],[10,10],[0,0]]]},"properties":{"measurements":{"Score":0.75}}}]}`))
	f.Add([]byte(`{"type":"FeatureCollection","features":[{"geometry":{"type":"MultiPolygon","coordinates":[[[[1e308,-1e308],[-1e308,1e308],[5,5]]],[]]}}]}`))
	f.Add([]byte(`{"type":"FeatureCollection","features":[{"geometry":{"type":"Polygon","coordinates":[[],[[1]],[[1,2,3],null]]}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		regions, err := evaluate.ReadRegions(bytes.NewReader(b))
		if err != nil {
			return
		}
		l, err := evaluate.Raster(regions, wsi.Size{W: 64, H: 64}, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range l.ID {
			if id < 0 || int(id) > len(regions) {
				t.Fatalf("raster pixel of region %d of %d", id, len(regions))
			}
		}
	})
}
