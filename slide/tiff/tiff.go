// Package tiff reads the container of a TIFF or BigTIFF file in either byte
// order: its directories and their tags. It knows nothing of pixels.
//
// In: an io.ReaderAt of known size, trusted in nothing. Out: directories whose
// values are read only when asked for. Whatever the file says, what is read and
// what is allocated while parsing stays below a budget, every offset is checked
// against the file's size before anything is allocated, and no directory is
// visited twice. Every error is of kind Corrupt or Unsupported, but for those of
// the reader itself.
package tiff

import (
	"encoding/binary"
	"io"

	"bcc/fault"
)

// Limits of a file. Real slides stay below a hundredth of each.
const (
	maxDirectories = 4096
	maxEntries     = 4096     // tags of a directory
	maxSubIFDs     = 1024     // of one directory
	maxSubDepth    = 3        // directories below directories
	readBudget     = 64 << 20 // bytes of directories and values, all together
)

// File is the container. It serves one goroutine at a time.
type File struct {
	Directories []*Directory // the chain, in file order
	Big         bool         // BigTIFF

	in    source
	order binary.ByteOrder
	seen  map[int64]bool // offsets of all directories met
}

// IsTIFF reports whether a file that begins with head (8 bytes or more) says it is a TIFF.
func IsTIFF(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	switch string(head[:4]) {
	case "II*\x00", "MM\x00*", "II+\x00", "MM\x00+":
		return true
	}
	return false
}

// Parse reads the header and every directory of the chain with its SubIFDs.
func Parse(r io.ReaderAt, size int64) (*File, error) {
	f := &File{in: source{r: r, size: size, left: readBudget}, order: binary.LittleEndian, seen: map[int64]bool{}}
	head, err := f.in.read(0, min(16, size))
	if err != nil {
		return nil, err
	}
	if !IsTIFF(head) {
		return nil, fault.New(fault.Unsupported, "read header: not a TIFF file")
	}
	if head[0] == 'M' {
		f.order = binary.BigEndian
	}
	first := int64(f.order.Uint32(head[4:]))
	if f.Big = f.order.Uint16(head[2:]) == 43; f.Big {
		if len(head) < 16 || f.order.Uint16(head[4:]) != 8 || f.order.Uint16(head[6:]) != 0 {
			return nil, fault.New(fault.Corrupt, "read header: not the header of a BigTIFF")
		}
		first = int64(f.order.Uint64(head[8:]))
	}
	if f.Directories, err = f.chain(first); err != nil {
		return nil, err
	}
	return f, nil
}

// chain follows the directories from offset at to the end of the chain.
func (f *File) chain(at int64) (dirs []*Directory, err error) {
	for at != 0 {
		d, next, err := f.directory(at, 0)
		if err != nil {
			return nil, fault.New(fault.Of(err), "read directory %d: %w", len(dirs), err)
		}
		dirs = append(dirs, d)
		at = next
	}
	if len(dirs) == 0 {
		return nil, fault.New(fault.Corrupt, "read header: the file has no directory")
	}
	return dirs, nil
}

// directory reads the one at an offset and those below it, and returns the
// offset of the next one.
func (f *File) directory(at int64, depth int) (d *Directory, next int64, err error) {
	switch {
	case f.seen[at]:
		return nil, 0, fault.New(fault.Corrupt, "the directory at offset %d comes a second time: the chain is a circle", at)
	case len(f.seen) == maxDirectories:
		return nil, 0, fault.New(fault.Corrupt, "more than %d directories", maxDirectories)
	}
	f.seen[at] = true
	d, next, err = f.entries(at)
	if err != nil || d.find(SubIFDs) == nil || depth == maxSubDepth {
		return d, next, err
	}
	below, err := d.Uints(SubIFDs, maxSubIFDs)
	if err != nil {
		return nil, 0, err
	}
	for i, at := range below {
		if at == 0 {
			continue
		}
		sub, _, err := f.directory(int64(at), depth+1) // a SubIFD ends its own chain
		if err != nil {
			return nil, 0, fault.New(fault.Of(err), "SubIFD %d: %w", i, err)
		}
		d.Sub = append(d.Sub, sub)
	}
	return d, next, nil
}

// entries reads the tags of the directory at an offset, not their values.
func (f *File) entries(at int64) (*Directory, int64, error) {
	countSize, entrySize, offsetSize := int64(2), int64(12), int64(4)
	if f.Big {
		countSize, entrySize, offsetSize = 8, 20, 8
	}
	head, err := f.in.read(at, countSize)
	if err != nil {
		return nil, 0, err
	}
	n := f.uint(head)
	if n == 0 || n > maxEntries {
		return nil, 0, fault.New(fault.Corrupt, "the directory at offset %d claims %d tags", at, n)
	}
	body, err := f.in.read(at+countSize, int64(n)*entrySize+offsetSize)
	if err != nil {
		return nil, 0, err
	}
	d := &Directory{Offset: at, file: f, entries: make([]entry, 0, n)}
	for range n {
		e := entry{tag: f.order.Uint16(body), typ: f.order.Uint16(body[2:])}
		e.count = f.uint(body[4 : 4+offsetSize])
		copy(e.inline[:offsetSize], body[4+offsetSize:])
		d.entries = append(d.entries, e)
		body = body[entrySize:]
	}
	return d, int64(f.uint(body)), nil
}

// uint decodes 2, 4 or 8 bytes in the file's order.
func (f *File) uint(b []byte) uint64 {
	switch len(b) {
	case 2:
		return uint64(f.order.Uint16(b))
	case 4:
		return uint64(f.order.Uint32(b))
	default:
		return f.order.Uint64(b)
	}
}
