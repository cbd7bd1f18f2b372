package worker

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"

	"bcc/chunk"
	"bcc/fault"
	"bcc/wsi"
)

// maxShard is the most patches of a shard: what is lost where one is not finished.
const maxShard = 1024

// cut divides the patches of a grid into shards of at most size, all as long as each
// other within one.
func cut(n, size int) []chunk.Range { return chunk.Cut(n, (n+size-1)/size) }

// reading is the version of the code that brings pixels to a model: of decoding, of
// scaling, of how a grid's rectangles are read. Whoever changes what pixels come out
// counts it up, and all rows of the past are made again.
const reading = 1

// rowsOf is all that the rows of a shard follow from. Fields may be added, never
// renamed: rows of the past would be made again.
type rowsOf struct {
	Slide      string   `json:"slide"`  // SHA-256
	Scorer     string   `json:"scorer"` // Model.Rows
	Outputs    int      `json:"outputs"`
	Reading    int      `json:"reading"`
	SizePx     int      `json:"size_px"`         // of a patch as the model sees it
	OverrideUM float64  `json:"mpp_override_um"` // 0: the file's own scale
	Level0     wsi.Size `json:"level0"`
	Patch      wsi.Size `json:"patch"`
	Stride     wsi.Size `json:"stride"`
	Cols       int      `json:"cols"`
	Cells      []byte   `json:"cells"` // packCells
}

// rowsKey names the rows of a shard, given as a grid of its patches only: the object
// patches/<digest> of the store. Threshold, abstention and what else is made of rows
// later are no part of it.
func (w *Worker) rowsKey(sha256sum string, overrideUM float64, shard *wsi.Grid) string {
	d := w.model.Detect
	b, err := json.Marshal(rowsOf{
		Slide: sha256sum, Scorer: w.model.rows(), Outputs: d.Outputs, Reading: reading, SizePx: d.Patch.SizePx,
		OverrideUM: overrideUM, Level0: shard.Slide, Patch: shard.Patch, Stride: shard.Stride,
		Cols: shard.Cols, Cells: packCells(shard),
	})
	if err != nil {
		panic(err) // no scale is NaN: cohort's validation
	}
	sum := sha256.Sum256(b)
	return rowsPrefix + hex.EncodeToString(sum[:])
}

// packCells writes which cells a grid has: each as its distance from the one before,
// counted row by row. Most take a byte.
func packCells(g *wsi.Grid) []byte {
	b := make([]byte, 0, 2*len(g.Cells))
	last := int64(0)
	for _, c := range g.Cells {
		at := int64(c.Row)*int64(g.Cols) + int64(c.Col)
		b = binary.AppendVarint(b, at-last)
		last = at
	}
	return b
}

// unpackCells is the way back, for a grid that has no cells yet. How much of them is
// tissue is not written: nothing that is read depends on it.
func unpackCells(b []byte, g *wsi.Grid) error {
	if g.Cols < 1 || g.Rows < 1 {
		return fault.New(fault.Corrupt, "a grid of %d by %d patches", g.Cols, g.Rows)
	}
	all, at := int64(g.Cols)*int64(g.Rows), int64(0)
	for len(b) > 0 {
		step, n := binary.Varint(b)
		if at += step; n <= 0 || at < 0 || at >= all || len(g.Cells) == maxShard {
			return fault.New(fault.Corrupt, "patch %d of a part lies outside its grid", len(g.Cells))
		}
		b = b[n:]
		g.Cells = append(g.Cells, wsi.Cell{Col: int(at % int64(g.Cols)), Row: int(at / int64(g.Cols))})
	}
	g.Cells = slices.Clip(g.Cells)
	return nil
}
