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
	"unicode/utf8"

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
	f, err := openFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "%s: there is no %s", dir, name)
	}
	if err != nil {
		return nil, fault.New(fileKind(err), "read table %s: %w", name, plain(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTable+1))
	if err != nil {
		return nil, fault.New(fault.Unavailable, "read table %s: %w", name, err)
	}
	return parseTable(text, name, needed...)
}

// errNoFile marks what can be named and not read to an end: a folder, a pipe, a device.
var errNoFile = errors.New("not a regular file")

// openFile opens a regular file. It looks before it opens, because opening a pipe
// waits for a writer, and a context cannot end that.
func openFile(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNoFile
	}
	return os.Open(path)
}

// fileKind is the kind of an error of openFile.
func fileKind(err error) fault.Kind {
	switch {
	case errors.Is(err, errNoFile):
		return fault.Unsupported
	case errors.Is(err, fs.ErrNotExist):
		return fault.NotFound
	default:
		return fault.Unavailable
	}
}

// byteOrderMark is what spreadsheets put before UTF-8.
var byteOrderMark = []byte("\ufeff")

// FirstPath returns the path in the first row of DIR/labels.csv: enough to tell what
// the table names. It is empty where the table is none; OpenTiles and OpenSlides say
// what is wrong with it.
func FirstPath(dir string) string {
	f, err := openFile(filepath.Join(dir, LabelsFile))
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, 64<<10)
	n, _ := io.ReadFull(f, text) // a shorter file is the rule
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text[:n], byteOrderMark)))
	head, err := in.Read()
	if err != nil {
		return ""
	}
	at := slices.IndexFunc(head, func(column string) bool { return strings.TrimSpace(column) == "path" })
	if row, err := in.Read(); err == nil && at >= 0 {
		return strings.TrimSpace(row[at])
	}
	return ""
}

// parseTable reads a table. Spaces around cells and a byte order mark are dropped.
func parseTable(text []byte, name string, needed ...string) (*table, error) {
	if len(text) > maxTable {
		return nil, fault.New(fault.Invalid, "%s: more than %d bytes are no table", name, maxTable)
	}
	sum := sha256.Sum256(text)
	t := &table{name: name, sha256: hex.EncodeToString(sum[:])}
	text = bytes.TrimPrefix(text, byteOrderMark)
	if !utf8.Valid(text) {
		return nil, fault.Hint(fault.New(fault.Invalid, "%s: not text in UTF-8", name), "save the table as CSV in UTF-8, with commas between the columns")
	}
	in := csv.NewReader(bytes.NewReader(text))
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
	if t.head == nil {
		return nil, fault.New(fault.Invalid, "%s: the file is empty", name)
	}
	for i, column := range t.head {
		if slices.Index(t.head, column) < i {
			return nil, fault.New(fault.Invalid, "%s: two columns are called %q", name, column)
		}
	}
	for _, column := range needed {
		if !slices.Contains(t.head, column) {
			err := fault.New(fault.Invalid, "%s: no column %q; it has %q, and %q are needed", name, column, t.head, needed)
			if len(t.head) == 1 && strings.ContainsAny(t.head[0], ";\t") {
				err = fault.Hint(err, "its columns stand apart by semicolons or tabs: save it with commas")
			}
			return nil, err
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
