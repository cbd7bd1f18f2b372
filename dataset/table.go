package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bcc/fault"
)

// maxTable bounds a table's bytes: ten million rows of an ordinary one.
const maxTable = 1 << 30

// table is a CSV file with a head, as spreadsheets and pandas write it.
type table struct {
	name   string // of the file, for messages
	head   []string
	rows   []row
	sha256 string
}

// row is one line of a table.
type row struct {
	line  int
	cells []string // as many as the head has
}

// readTable reads DIR/name, which has to have the columns that are needed.
func readTable(dir, name string, needed ...string) (*table, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s: there is no %s", dir, name)
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "read table: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTable+1))
	if err != nil {
		return nil, fault.New(fault.Unavailable, "read table %s: %w", name, err)
	}
	return parseTable(text, name, needed...)
}

// parseTable reads a table. Spaces around cells and a byte order mark are dropped.
func parseTable(text []byte, name string, needed ...string) (*table, error) {
	if len(text) > maxTable {
		return nil, fault.New(fault.Invalid, "%s: more than %d bytes are no table", name, maxTable)
	}
	sum := sha256.Sum256(text)
	t := &table{name: name, sha256: hex.EncodeToString(sum[:])}
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s: %w", name, err)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if t.head == nil {
			t.head = cells
			continue
		}
		line, _ := in.FieldPos(0)
		t.rows = append(t.rows, row{line, cells})
	}
	for i, column := range t.head {
		if slices.Index(t.head, column) < i {
			return nil, fault.New(fault.Invalid, "%s: two columns are called %q", name, column)
		}
	}
	for _, column := range needed {
		if !slices.Contains(t.head, column) {
			return nil, fault.New(fault.Invalid, "%s: no column %q; it has %q, and %q are needed", name, column, t.head, needed)
		}
	}
	if len(t.rows) == 0 {
		return nil, fault.New(fault.Invalid, "%s: no rows", name)
	}
	return t, nil
}

// column returns the place of a column, -1 where there is none.
func (t *table) column(name string) int { return slices.Index(t.head, name) }

// namesFile reports whether path stays below the folder it is joined to, so that
// no table leads elsewhere.
func namesFile(path string) bool {
	path = filepath.FromSlash(path)
	return filepath.IsLocal(path) && filepath.Clean(path) != "."
}
