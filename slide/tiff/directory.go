package tiff

import (
	"bytes"
	"math"

	"bcc/fault"
)

// Directory is one image of the file. Its values are read when asked for.
type Directory struct {
	Offset int64        // where it stands in the file
	Sub    []*Directory // SubIFDs

	file    *File
	entries []entry // in file order; of a tag that stands twice, the first counts
}

// entry is one tag: its value, or where the value stands.
type entry struct {
	tag, typ uint16
	count    uint64
	inline   [8]byte
}

func (d *Directory) find(tag uint16) *entry {
	for i := range d.entries {
		if d.entries[i].tag == tag {
			return &d.entries[i]
		}
	}
	return nil
}

// Has reports whether the directory has the tag.
func (d *Directory) Has(tag uint16) bool { return d.find(tag) != nil }

// Count returns the number of values of a tag, 0 where it is absent.
func (d *Directory) Count(tag uint16) uint64 {
	if e := d.find(tag); e != nil {
		return e.count
	}
	return 0
}

// Uint returns the first value of a tag, or def where it is absent.
func (d *Directory) Uint(tag uint16, def uint64) (uint64, error) {
	if !d.Has(tag) {
		return def, nil
	}
	v, err := d.uints(tag, 1)
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

// Uints returns the values of a tag, nil where it is absent. More than limit
// values are Corrupt.
func (d *Directory) Uints(tag uint16, limit int) ([]uint64, error) {
	n := d.Count(tag)
	if n > uint64(limit) {
		return nil, fault.New(fault.Corrupt, "tag %d has %d values, more than %d", tag, n, limit)
	}
	if !d.Has(tag) {
		return nil, nil
	}
	return d.uints(tag, int64(n))
}

// FirstUints returns the first n values of a tag; fewer are Corrupt.
func (d *Directory) FirstUints(tag uint16, n int) ([]uint64, error) { return d.uints(tag, int64(n)) }

// Bytes returns the value of a tag of byte, text or undefined type, nil where it
// is absent. More than limit bytes are cut off.
func (d *Directory) Bytes(tag uint16, limit int) ([]byte, error) {
	e := d.find(tag)
	if e == nil {
		return nil, nil
	}
	if typeSize(e.typ) != 1 {
		return nil, fault.New(fault.Corrupt, "tag %d: type %d where bytes are needed", tag, e.typ)
	}
	return d.raw(e, int64(min(e.count, uint64(limit))))
}

// Text returns a text up to its first NUL, at most limit bytes of it.
func (d *Directory) Text(tag uint16, limit int) (string, error) {
	b, err := d.Bytes(tag, limit)
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b), err
}

// Float returns the first value of a tag as a number, NaN where it is absent.
// A fraction over zero is ±Inf or NaN.
func (d *Directory) Float(tag uint16) (float64, error) {
	e := d.find(tag)
	if e == nil {
		return math.NaN(), nil
	}
	switch e.typ {
	case typeRational, typeFloat, typeDouble:
	default:
		v, err := d.Uint(tag, 0)
		return float64(v), err
	}
	if e.count == 0 {
		return 0, fault.New(fault.Corrupt, "tag %d has no value", tag)
	}
	b, err := d.raw(e, 1)
	if err != nil {
		return 0, err
	}
	o := d.file.order
	switch e.typ {
	case typeRational:
		return float64(o.Uint32(b)) / float64(o.Uint32(b[4:])), nil
	case typeFloat:
		return float64(math.Float32frombits(o.Uint32(b))), nil
	default:
		return math.Float64frombits(o.Uint64(b)), nil
	}
}

// uints returns the first n values of a tag that is there.
func (d *Directory) uints(tag uint16, n int64) ([]uint64, error) {
	e := d.find(tag)
	if e == nil {
		return nil, fault.New(fault.Corrupt, "tag %d is missing", tag)
	}
	if uint64(n) > e.count || e.count == 0 {
		return nil, fault.New(fault.Corrupt, "tag %d has %d values where %d are needed", tag, e.count, max(n, 1))
	}
	switch e.typ {
	case typeByte, typeShort, typeLong, typeLong8, typeIFD, typeIFD8:
	default:
		return nil, fault.New(fault.Corrupt, "tag %d: type %d where a whole number is needed", tag, e.typ)
	}
	b, err := d.raw(e, n)
	if err != nil {
		return nil, err
	}
	out := make([]uint64, n)
	size := typeSize(e.typ)
	for i := range out {
		if size == 1 {
			out[i] = uint64(b[i])
			continue
		}
		out[i] = d.file.uint(b[int64(i)*size : int64(i+1)*size])
	}
	return out, nil
}

// raw returns the bytes of the first n values of an entry.
func (d *Directory) raw(e *entry, n int64) ([]byte, error) {
	size := typeSize(e.typ)
	slot := int64(4)
	if d.file.Big {
		slot = 8
	}
	if e.count <= uint64(slot/max(size, 1)) { // it stands in the entry itself
		return e.inline[:n*size], nil
	}
	at := d.file.uint(e.inline[:slot])
	if at > math.MaxInt64 || n > math.MaxInt64/size {
		return nil, fault.New(fault.Corrupt, "tag %d: %d values at offset %d lie beyond the end of the file", e.tag, n, at)
	}
	b, err := d.file.in.read(int64(at), n*size)
	if err != nil {
		return nil, fault.New(fault.Of(err), "tag %d: %w", e.tag, err)
	}
	return b, nil
}
