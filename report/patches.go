package report

import (
	"io"
	"math"
	"strconv"

	"bcc/wsi"
)

// writePatches writes patches.csv as WSInfer does: level-0 pixels and the
// model's own value under the name column, four decimals, in grid order.
func writePatches(w io.Writer, g *wsi.Grid, column string, probs []float32) error {
	if _, err := io.WriteString(w, patchHeader(column)+"\n"); err != nil {
		return err
	}
	var line []byte
	for i, p := range probs {
		r := g.Rect(i)
		line = line[:0]
		for _, v := range [4]int{r.X, r.Y, r.W, r.H} {
			line = append(strconv.AppendInt(line, int64(v), 10), ',')
		}
		line = append(appendFixed4(line, p), '\n')
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// patchHeader is the first line of patches.csv.
func patchHeader(column string) string { return "minx,miny,width,height," + column }

// appendFixed4 appends p, at least 0 and below 10, with four decimals: a third of
// strconv's time, which counts at 10^5 patches.
func appendFixed4(b []byte, p float32) []byte {
	n := int(math.RoundToEven(float64(p) * 1e4))
	b = append(b, byte('0'+n/10000), '.')
	return append(b, byte('0'+n/1000%10), byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}
