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

// Whatever a table holds, reading it gives samples that can be measured or an
// error, and what was read is read again from what is written.
func FuzzReadPredictions(f *testing.F) {
	f.Add([]byte("path,label,group,score,split\na,1,g,0.5,val\nb,0,h,1e-3,val\n"))
	f.Add([]byte("\ufeffscore,path,group,label\n0.25,x,g,tumour\n"))
	f.Add([]byte("path,label,group,score\n\"a\nb\",1,\"g,\",0x1p-2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := evaluate.ReadPredictions(bytes.NewReader(b), "", "")
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := evaluate.WritePredictions(&out, rows, evaluate.Point{Threshold: 0.5}, ""); err != nil {
			t.Fatal(err)
		}
		again, err := evaluate.ReadPredictions(&out, "", "")
		if err != nil || len(again) != len(rows) {
			t.Fatalf("%d rows, %d of them again, %v", len(rows), len(again), err)
		}
		for i, r := range rows {
			if !(r.Score >= 0 && r.Score <= 1) || again[i].Positive != r.Positive {
				t.Fatalf("row %+v, again %+v", r, again[i])
			}
		}
	})
}
