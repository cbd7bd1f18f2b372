package report

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"

	"bcc/fault"
	"bcc/wsi"
)

// maxPatches bounds what ReadPatches reads, to 36 bytes of memory each: four times
// the largest real slide at the largest overlap.
const maxPatches = 4 << 20

// maxPatchLine is far more than a line of patches.csv takes.
const maxPatchLine = 256

// ReadPatches reads patches.csv as it was written: where each patch lies, in level-0
// pixels, and its value, 0 to 1, which is the probability of BCC or, of a model that
// judges the slide as a whole, its attention (Model.HeatMap says which). Corrupt: it
// is no such file. Memory is bounded whatever comes.
func ReadPatches(r io.Reader) ([]wsi.Rect, []float32, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), 64<<10)
	if !in.Scan() {
		return nil, nil, patchesError(1, in.Err(), "no header")
	}
	if !slices.Contains(patchHeaders(), in.Text()) {
		return nil, nil, patchesError(1, nil, "it is not the header of patches")
	}
	var rects []wsi.Rect
	var values []float32
	for line := 2; in.Scan(); line++ {
		if len(rects) == maxPatches {
			return nil, nil, patchesError(line, nil, "more than "+strconv.Itoa(maxPatches)+" patches")
		}
		rect, value, ok := parsePatch(in.Bytes())
		if !ok {
			return nil, nil, patchesError(line, nil, "want four whole numbers and a value from 0 to 1")
		}
		rects, values = append(rects, rect), append(values, value)
	}
	if err := in.Err(); err != nil {
		return nil, nil, patchesError(len(rects)+2, err, "")
	}
	return rects, values, nil
}

// patchHeaders are the first lines that writePatches writes.
func patchHeaders() []string {
	return []string{patchHeader(heatOf(Model{}).Column), patchHeader(heatOf(Model{HeatMap: Attention}).Column)}
}

// parsePatch reads a line of patches.csv. What it takes, writePatches could have
// written, up to leading zeros and the number of decimals.
func parsePatch(line []byte) (rect wsi.Rect, value float32, ok bool) {
	if len(line) > maxPatchLine {
		return rect, 0, false
	}
	for _, to := range [...]*int{&rect.X, &rect.Y, &rect.W, &rect.H} {
		var cell []byte
		if cell, line, ok = bytes.Cut(line, []byte{','}); !ok {
			return rect, 0, false
		}
		n, err := strconv.ParseUint(string(cell), 10, 30) // what patch.Plan takes of a slide
		if err != nil {
			return rect, 0, false
		}
		*to = int(n)
	}
	v, err := strconv.ParseFloat(string(line), 32)
	if err != nil || !(v >= 0 && v <= 1) || rect.Empty() { // not NaN either
		return rect, 0, false
	}
	return rect, float32(v), true
}

// patchesError is the error of what stands at line, or of the reader at it.
func patchesError(line int, err error, what string) error {
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return fault.New(fault.Corrupt, "%s, line %d: longer than any line of it", PatchesFile, line)
	case err != nil:
		return fault.New(fault.Of(err), "read %s at line %d: %w", PatchesFile, line, err)
	}
	return fault.New(fault.Corrupt, "%s, line %d: %s", PatchesFile, line, what)
}
