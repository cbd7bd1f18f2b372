package capacity

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"bcc/fault"
)

// The columns of tables of sizes: ours, and those of COBRA's bcc_images.csv.
var sizeColumns = []column{
	{"patches", false}, {"width_px", false}, {"height_px", false}, {"mpp_um", false},
	{"Width (px)", false}, {"Height (px)", false}, {"Spacings (mu)", false},
}

// IsSizes reports whether a table that begins with this line tells sizes of slides, and is
// not a list of their paths.
func IsSizes(line string) bool {
	cells := strings.Split(strings.TrimPrefix(line, "\ufeff"), ",")
	for i := range cells {
		cells[i] = strings.Trim(strings.TrimSpace(cells[i]), `"`)
	}
	has := func(name string) bool { return slices.Contains(cells, name) }
	return has("patches") || has("width_px") && has("height_px") || has("Width (px)") && has("Height (px)")
}

// HeadLine returns the first line of a table that is no comment.
func HeadLine(r io.Reader) string {
	in := bufio.NewScanner(io.LimitReader(r, 64<<10))
	for in.Scan() {
		if line := strings.TrimSpace(in.Text()); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}

// ReadSizes reads a table with a line a slide: the column patches, or width_px, height_px
// and mpp_um, or those of COBRA's bcc_images.csv; other columns are left alone. Where a
// line has both, its patches count. mpp is the scale of the lines without one, 0: such
// lines are wrong.
func ReadSizes(r io.Reader, name string, mpp float64) ([]Size, error) {
	var all []Size
	err := readTable(r, name, sizeColumns, true, func(r row) error {
		s, err := readSize(r, mpp)
		all = append(all, s)
		return err
	})
	if err == nil && len(all) == 0 {
		err = fault.New(fault.Invalid, "%s names no slide", name)
	}
	return all, err
}

func readSize(r row, mpp float64) (Size, error) {
	s := Size{Patches: -1}
	if r.text("patches") != "" {
		var err error
		s.Patches, err = r.number("patches", 0, maxPatchesEach, -1)
		return s, err
	}
	side := func(ours, cobra string) (float64, error) {
		if r.text(ours) != "" {
			return r.number(ours, 1, 1<<30, 0)
		}
		return r.number(cobra, 1, 1<<30, 0)
	}
	w, wrongW := side("width_px", "Width (px)")
	h, wrongH := side("height_px", "Height (px)")
	scale, wrongScale := r.number("mpp_um", 0.01, 100, mpp)
	if first := firstNumber(r.text("Spacings (mu)")); scale == 0 && first > 0.01 && first < 100 {
		scale = first // of level 0
	}
	if err := errors.Join(wrongW, wrongH, wrongScale); err != nil {
		return s, err
	}
	switch {
	case w == 0 || h == 0:
		return s, errors.New("neither patches nor a width and a height")
	case scale == 0:
		return s, errors.New("no scale: add the column mpp_um, or pass --mpp")
	}
	s.UM2 = w * h * scale * scale
	return s, nil
}

// firstNumber reads the first number of a cell such as [0.485, 0.970].
func firstNumber(text string) float64 {
	for _, f := range strings.FieldsFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789.", r) }) {
		if v, err := strconv.ParseFloat(f, 64); err == nil {
			return v
		}
	}
	return 0
}
