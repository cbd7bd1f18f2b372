package detect

import (
	"encoding/csv"
	"errors"
	"io"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"bcc/fault"
	"bcc/wsi"
)

// maxManifestField is the longest path a manifest may name, PATH_MAX of Linux.
const maxManifestField = 4096

// ReadManifest reads a list of slides and hands each to yield as it is read, so
// that a list of any length costs no memory. It is CSV: one slide a line, its
// path first; or with a header that names the columns path and, optionally,
// mpp_um (others are left alone). Empty lines and lines that start with # do
// not count. An error names the line.
func ReadManifest(r io.Reader, yield func(Item) error) error {
	in := csv.NewReader(r)
	in.Comment = '#'
	in.FieldsPerRecord = -1
	in.ReuseRecord = true
	in.TrimLeadingSpace = true

	columns := manifestColumns{path: 0, mpp: -1}
	slides := 0
	for first := true; ; first = false {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fault.New(fault.Invalid, "read: %w", err) // csv.ParseError names line and column
		}
		if first {
			record[0] = strings.TrimPrefix(record[0], "\ufeff") // a spreadsheet's byte order mark
			if named, ok := manifestHeader(record); ok {
				columns = named
				continue
			}
		}
		line, _ := in.FieldPos(0)
		item, err := columns.item(record)
		if err != nil {
			return fault.New(fault.Invalid, "line %d: %w", line, err)
		}
		if err := yield(item); err != nil {
			return err
		}
		slides++
	}
	if slides == 0 {
		return fault.Hint(fault.New(fault.Invalid, "it names no slide"), "write one path a line, or a CSV with a column called path")
	}
	return nil
}

type manifestColumns struct{ path, mpp int }

func manifestHeader(record []string) (manifestColumns, bool) {
	c := manifestColumns{path: -1, mpp: -1}
	for i, name := range record {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "path", "filename", "file":
			if c.path < 0 {
				c.path = i
			}
		case "mpp_um", "mpp":
			c.mpp = i
		}
	}
	return c, c.path >= 0
}

func (c manifestColumns) item(record []string) (Item, error) {
	if c.path >= len(record) {
		return Item{}, fault.New(fault.Invalid, "%d fields, the path is field %d", len(record), c.path+1)
	}
	p := strings.TrimSpace(record[c.path])
	switch {
	case p == "":
		return Item{}, fault.New(fault.Invalid, "the path is empty")
	case len(p) > maxManifestField:
		return Item{}, fault.New(fault.Invalid, "the path has %d bytes, at most %d", len(p), maxManifestField)
	case strings.ContainsRune(p, 0):
		return Item{}, fault.New(fault.Invalid, "the path holds a zero byte")
	}
	it := Item{Path: p, Name: manifestName(p)}
	if it.Name == "" {
		return Item{}, fault.New(fault.Invalid, "the path %q names no file", p)
	}
	if c.mpp >= 0 && c.mpp < len(record) && strings.TrimSpace(record[c.mpp]) != "" {
		text := strings.TrimSpace(record[c.mpp])
		um, err := strconv.ParseFloat(text, 64)
		it.MPP = wsi.MPP{X: um, Y: um}
		if err != nil || !it.MPP.Valid() {
			return Item{}, fault.New(fault.Invalid, "mpp_um %q is no scale between 0.01 and 100 µm a pixel", text)
		}
	}
	return it, nil
}

// manifestName names a slide after its path in the manifest, kept inside the
// results folder whatever the path says; empty where the path names no file.
func manifestName(p string) string {
	clean := path.Clean("/" + filepath.ToSlash(p))
	if filepath.IsAbs(p) || strings.HasPrefix(filepath.ToSlash(p), "../") {
		clean = path.Base(clean)
	}
	return strings.TrimPrefix(clean, "/")
}
