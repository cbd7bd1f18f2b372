package worker

import (
	"slices"
	"testing"

	"bcc/detect"
	"bcc/fault"
	"bcc/report"
	"bcc/wsi"
)

func TestShardsAreAsLongAsEachOtherAndNoLongerThanAsked(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 256, 512, 1024} {
		for _, n := range []int{0, 1, 255, 256, 257, 511, 512, 513, 1000, 4097, 50_000} {
			shards, next := cut(n, size), 0
			for _, s := range shards {
				if s.From != next || s.Len() < 1 || s.Len() > size || shards[0].Len()-s.Len() > 1 {
					t.Fatalf("%d patches by %d: %v", n, size, shards)
				}
				next = s.To
			}
			if next != n || len(shards) != (n+size-1)/size {
				t.Errorf("%d patches by %d: %d shards of %d patches", n, size, len(shards), next)
			}
		}
	}
}

func gridOf(cells ...wsi.Cell) *wsi.Grid {
	return &wsi.Grid{
		Slide: wsi.Size{W: 3200, H: 3200}, MPP: wsi.MPP{X: 0.5, Y: 0.5}, Patch: wsi.Size{W: 32, H: 32},
		Stride: wsi.Size{W: 32, H: 32}, Cols: 100, Rows: 100, Cells: cells,
	}
}

func TestCellsOfAPartComeBack(t *testing.T) {
	t.Parallel()
	whole := gridOf(wsi.Cell{Col: 3}, wsi.Cell{Col: 99}, wsi.Cell{Row: 1}, wsi.Cell{Col: 50, Row: 99}, wsi.Cell{Col: 2, Row: 4})
	again := gridOf()
	if err := unpackCells(packCells(whole), again); err != nil || !slices.Equal(again.Cells, whole.Cells) {
		t.Errorf("%v, %v", again.Cells, err)
	}
	for name, b := range map[string][]byte{
		"outside":    packCells(gridOf(wsi.Cell{Row: 100})),
		"before":     {1},
		"cut":        {0x80},
		"endless":    slices.Repeat([]byte{2}, maxShard+1),
		"far beyond": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if err := unpackCells(b, gridOf()); fault.Of(err) != fault.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := unpackCells(nil, &wsi.Grid{}); fault.Of(err) != fault.Corrupt {
		t.Errorf("no grid: %v", err)
	}
}

func TestRowsAreNamedByWhatTheyFollowFromAndByNothingElse(t *testing.T) {
	t.Parallel()
	base := func(change func(*detect.Config)) *Worker {
		cfg := detect.DefaultConfig(32, 4)
		cfg.Outputs, cfg.Model = 1, report.Model{SHA256: "f00d"}
		if change != nil {
			change(&cfg)
		}
		return &Worker{model: Model{Detect: cfg}}
	}
	g := gridOf(wsi.Cell{Col: 1}, wsi.Cell{Col: 2})
	want := base(nil).rowsKey("aa", 0, g)
	thick := *g
	thick.Cells = []wsi.Cell{{Col: 1, Tissue: 0.5}, {Col: 2, Tissue: 1}}
	for name, key := range map[string]string{
		"another threshold": base(func(c *detect.Config) { c.Aggregate = c.Aggregate.WithThreshold(0.9) }).rowsKey("aa", 0, g),
		"another version":   base(func(c *detect.Config) { c.Program.Version = "2" }).rowsKey("aa", 0, g),
		"more tissue":       base(nil).rowsKey("aa", 0, &thick),
	} {
		if key != want {
			t.Errorf("%s: rows are made again", name)
		}
	}
	moved := gridOf(wsi.Cell{Col: 1}, wsi.Cell{Col: 3})
	close := *g
	close.Stride.W = 16
	wide := *g
	wide.Cols = 101
	rows := base(nil)
	rows.model.Rows = "encoder"
	seen := map[string]string{want: "the first"}
	for name, key := range map[string]string{
		"another slide":    base(nil).rowsKey("ab", 0, g),
		"another model":    base(func(c *detect.Config) { c.Model.SHA256 = "beef" }).rowsKey("aa", 0, g),
		"another network":  rows.rowsKey("aa", 0, g),
		"more outputs":     base(func(c *detect.Config) { c.Outputs = 2 }).rowsKey("aa", 0, g),
		"larger patches":   base(func(c *detect.Config) { c.Patch.SizePx = 64 }).rowsKey("aa", 0, g),
		"another scale":    base(nil).rowsKey("aa", 0.25, g),
		"other cells":      base(nil).rowsKey("aa", 0, moved),
		"an overlap":       base(nil).rowsKey("aa", 0, &close),
		"another geometry": base(nil).rowsKey("aa", 0, &wide),
	} {
		if other := seen[key]; other != "" {
			t.Errorf("%s has the rows of %s", name, other)
		}
		seen[key] = name
	}
}
