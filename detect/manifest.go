package detect

import (
	"context"
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

// manifest reads the manifest at path. Paths in it are relative to its folder.
func (f *finder) manifest(ctx context.Context, path string) error {
	file, _, err := openFile(path)
	if err != nil {
		return fault.New(fault.Of(err), "manifest %s: %w", path, err)
	}
	defer file.Close()
	read := ReadManifest
	if strings.EqualFold(filepath.Ext(path), ".txt") {
		read = ReadPaths
	}
	err = read(untilDone{ctx, file}, func(it Item) error {
		if !(f.addresses && IsAddress(it.Path)) && !filepath.IsAbs(it.Path) {
			it.Path = filepath.Join(filepath.Dir(path), it.Path)
		}
		it.List = path
		return f.hand(it)
	})
	if err != nil {
		return fault.New(fault.Of(err), "manifest %s: %w", path, err)
	}
	return nil
}

// IsAddress reports whether text says by a scheme where a slide lies, as
// https://host/a.tif does, and is no path.
func IsAddress(text string) bool {
	scheme, _, is := strings.Cut(text, "://")
	return is && len(scheme) > 1 && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-") == ""
}

// untilDone reads until ctx ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// ReadManifest reads a list of slides and hands each to yield as it is read, so
// that a list of any length costs no memory. It is CSV: one slide a line, its
// path first; or with a header that names the columns path and, optionally,
// mpp_um (others are left alone). A cell may be quoted but holds no line break.
// Empty lines and lines that start with # do not count.
//
// A line that cannot be used is left out and the others are read; at the end the
// first twenty are returned as one Invalid error, each with its number. Only a
// line over 64 KiB, a header without commas and an error of yield end the reading.
func ReadManifest(r io.Reader, yield func(Item) error) error {
	var cells csvLine
	columns := manifestColumns{path: 0, mpp: -1}
	first := true
	return readLines(r, yield, func(line string) (item Item, is bool, err error) {
		if strings.HasPrefix(line, "#") {
			return Item{}, false, nil
		}
		begun := !first
		first = false
		if !begun {
			if err := checkSeparator(line); err != nil {
				return Item{}, false, err
			}
		}
		record, err := cells.split(line)
		if err != nil {
			return Item{}, false, err
		}
		if !begun {
			if named, ok := manifestHeader(record); ok {
				columns = named
				return Item{}, false, nil
			}
		}
		item, err = columns.item(record)
		return item, true, err
	})
}

// ReadPaths is ReadManifest for plain text: one path a line, taken as it stands
// apart from the space around it.
func ReadPaths(r io.Reader, yield func(Item) error) error {
	return readLines(r, yield, func(line string) (Item, bool, error) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			return Item{}, false, nil
		}
		item, err := manifestItem(line)
		return item, true, err
	})
}

// checkSeparator refuses a header whose columns are separated by something else
// than commas, as spreadsheets of some countries write it.
func checkSeparator(line string) error {
	for _, mark := range []struct{ is, name string }{{";", "semicolons"}, {"\t", "tabs"}} {
		cells := strings.Split(line, mark.is)
		if len(cells) < 2 || strings.Contains(line, ",") {
			continue
		}
		for i, c := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(c), `"`)
		}
		if _, ok := manifestHeader(cells); ok {
			return errUnreadable{fault.Hint(fault.New(fault.Invalid, "the columns are separated by %s", mark.name), "separate them with commas")}
		}
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
	it, err := manifestItem(strings.TrimSpace(record[c.path]))
	if err != nil {
		return Item{}, err
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

// manifestItem returns the slide at a path that stands in a manifest.
func manifestItem(p string) (Item, error) {
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
