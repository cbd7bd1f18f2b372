package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/synth"
	"bcc/wsi"
)

func TestMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median of %v = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestItReadsWhichSlidesArePositive(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "labels.csv")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("label,path,extra,group\n1,a.tif,x,p1\n0,b.tif,y,p2\nBCC,c.tif,z,p2\n")
	rows, err := readLabels(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []labelled{{"a.tif", "p1", true}, {"b.tif", "p2", false}, {"c.tif", "p2", true}}
	if len(rows) != 3 || rows[0] != want[0] || rows[1] != want[1] || rows[2] != want[2] {
		t.Errorf("rows %+v, want %+v", rows, want)
	}
	write("path,label\na.tif,1\n")
	if _, err := readLabels(path); err == nil || !strings.Contains(err.Error(), "group") {
		t.Errorf("error %v does not name the missing column", err)
	}
}

func TestItTakesWholeTilesAsTheFileHoldsThem(t *testing.T) {
	t.Parallel()
	cfg := synth.DefaultConfig()
	cfg.Size = wsi.Size{W: 1300, H: 1100} // two whole tiles of 512 across and down, and parts of more
	s, err := synth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	path, err := synth.WriteFiles(t.Context(), t.TempDir(), "s", s, synth.WriteConfig{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readStreams(bytes.NewReader(file), int64(len(file)), 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(all.tiles) != 4 {
		t.Fatalf("%d tiles, want 4", len(all.tiles))
	}
	for i, tile := range all.tiles {
		if want := (wsi.Rect{X: i % 2 * 512, Y: i / 2 * 512, W: 512, H: 512}); tile.at != want {
			t.Errorf("tile %d at %v, want %v", i, tile.at, want)
		}
		if !bytes.HasPrefix(tile.data, []byte{0xff, 0xd8}) {
			t.Errorf("tile %d is no JPEG stream", i)
		}
	}
	if two, err := readStreams(bytes.NewReader(file), int64(len(file)), 2); err != nil || len(two.tiles) != 2 {
		t.Errorf("asked for two tiles: %v, %v", two, err)
	}
}
