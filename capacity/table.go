package capacity

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"bcc/fault"
)

// Files are as people write them with a spreadsheet or an editor: CSV whose first line
// names the columns, in any order; lines that begin with # are words.
const (
	maxTableBytes = 64 << 20
	maxWrong      = 10 // lines that are named one by one
)

// column of a table. Those that are wanted must be there; of others a cell may be empty.
type column struct {
	name   string
	wanted bool
}

// row is a line of a table.
type row struct {
	line  int
	cells []string
	place map[string]int
}

// text returns the cell of the column, empty where there is none.
func (r row) text(name string) string {
	if i, is := r.place[name]; is {
		return strings.TrimSpace(r.cells[i])
	}
	return ""
}

// number returns the cell as a number from least to most; otherwise where it is empty.
func (r row) number(name string, least, most, otherwise float64) (float64, error) {
	text := r.text(name)
	if text == "" {
		return otherwise, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || v < least || v > most {
		return 0, fmt.Errorf("%s %q: want a number from %s to %s", name, short(text), plain(least), plain(most))
	}
	return v, nil
}

// plain writes a number as people do: 100000000, not 1e+08.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// count is number for whole ones.
func (r row) count(name string, least, most, otherwise int) (int, error) {
	v, err := r.number(name, float64(least), float64(most), float64(otherwise))
	if err == nil && v != math.Trunc(v) {
		err = fmt.Errorf("%s %v: want a whole number", name, v)
	}
	return int(v), err
}

// short keeps a cell from filling the screen.
func short(text string) string {
	if len(text) > 40 {
		return strings.ToValidUTF8(text[:40], "") + "…"
	}
	return text
}

// readTable reads the table of that name and hands each row to f. Every wrong line is
// told, the first ten of them with what is wrong. Columns that are not among those known
// are an error, unless others is true.
func readTable(from io.Reader, name string, columns []column, others bool, f func(row) error) error {
	text, err := io.ReadAll(io.LimitReader(from, maxTableBytes+1))
	switch {
	case err != nil:
		return fault.New(fault.Unavailable, "read %s: %w", name, err)
	case len(text) > maxTableBytes:
		return fault.New(fault.Invalid, "%s: over %d MiB: that is no such table", name, maxTableBytes>>20)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // as spreadsheets write it
	r := csv.NewReader(bufio.NewReader(bytes.NewReader(text)))
	r.Comment, r.ReuseRecord, r.FieldsPerRecord = '#', true, -1
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return fault.Hint(fault.New(fault.Invalid, "%s is empty", name), "its first line names the columns: %s", names(columns))
	}
	if err != nil {
		return fault.New(fault.Invalid, "%s: %w", name, err)
	}
	place, err := places(head, columns, others)
	if err != nil {
		return fault.Hint(fault.New(fault.Invalid, "%s: %w", name, err), "columns: %s", names(columns))
	}
	width := len(head)
	var wrong []error
	more := 0
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fault.New(fault.Invalid, "%s: %w", name, errors.Join(append(wrong, err)...)) // quotes that do not end swallow the rest
		}
		line, _ := r.FieldPos(0)
		if len(cells) != width {
			err = fmt.Errorf("%d cells, the first line has %d", len(cells), width)
		} else {
			err = full(row{line, cells, place}, columns)
		}
		if err == nil {
			err = f(row{line, cells, place})
		}
		if err == nil {
			continue
		}
		if len(wrong) < maxWrong {
			wrong = append(wrong, fmt.Errorf("line %d: %s", line, strings.ReplaceAll(err.Error(), "\n", "; ")))
		} else {
			more++
		}
	}
	if more > 0 {
		wrong = append(wrong, fmt.Errorf("and %d lines more", more))
	}
	if len(wrong) > 0 {
		return fault.New(fault.Invalid, "%s: %w", name, errors.Join(wrong...))
	}
	return nil
}

// places finds the columns in the first line.
func places(head []string, columns []column, others bool) (map[string]int, error) {
	place := map[string]int{}
	for i, cell := range head {
		cell = strings.TrimSpace(cell)
		known := slices.ContainsFunc(columns, func(c column) bool { return c.name == cell })
		_, twice := place[cell]
		switch {
		case known && twice:
			return nil, fmt.Errorf("column %q stands there twice", cell)
		case !known && !others:
			return nil, fmt.Errorf("column %q is not known", short(cell))
		}
		place[cell] = i
	}
	for _, c := range columns {
		if _, is := place[c.name]; c.wanted && !is {
			return nil, fmt.Errorf("column %q is missing", c.name)
		}
	}
	return place, nil
}

// full reports a wanted cell that is empty.
func full(r row, columns []column) error {
	for _, c := range columns {
		if c.wanted && r.text(c.name) == "" {
			return fmt.Errorf("%s is empty", c.name)
		}
	}
	return nil
}

func names(columns []column) string {
	var all []string
	for _, c := range columns {
		if c.wanted {
			all = append(all, c.name)
		} else {
			all = append(all, "["+c.name+"]")
		}
	}
	return strings.Join(all, ", ")
}
