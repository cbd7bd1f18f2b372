package tifftest

import (
	"bytes"
	"slices"
)

// page appends pixels, SubIFDs and directory, and returns where the directory
// stands and where the link to the next one.
func (w *writer) page(p *Page) (dir, link int) {
	tags := w.pixels(p)
	if len(p.Sub) > 0 {
		var subs []uint64
		for _, sub := range p.Sub {
			at, _ := w.page(sub)
			subs = append(subs, uint64(at))
		}
		tags = append(tags, Tag{ID: 330, Type: w.pointer(), Values: subs})
	}
	for _, t := range p.Tags {
		tags = slices.DeleteFunc(tags, func(o Tag) bool { return o.ID == t.ID })
		tags = append(tags, t)
	}
	slices.SortFunc(tags, func(a, b Tag) int { return int(a.ID) - int(b.ID) })
	return w.directory(tags)
}

// pixels appends the segments and returns the tags that describe them.
func (w *writer) pixels(p *Page) []Tag {
	samples := p.Samples
	if samples == 0 {
		samples = 3
	}
	photometric := p.Photometric
	if photometric == 0 && samples >= 3 {
		photometric = 2
	}
	compression := p.Compression
	if compression == 0 {
		compression = None
	}
	segW, segH := p.TileW, p.TileH
	if segW == 0 {
		segW, segH = p.W, p.RowsPerStrip
		if segH == 0 {
			segH = p.H
		}
	}
	var offsets, counts []uint64
	for y := 0; y < p.H; y += segH {
		for x := 0; x < p.W; x += segW {
			h := segH
			if p.TileW == 0 {
				h = min(h, p.H-y)
			}
			if p.Skip != nil && p.Skip(len(offsets)) {
				offsets, counts = append(offsets, 0), append(counts, 0)
				continue
			}
			data := p.encode(p.cut(x, y, segW, h, samples), segW, h, samples, compression)
			offsets, counts = append(offsets, uint64(len(w.b))), append(counts, uint64(len(data)))
			w.b = append(w.b, data...)
		}
	}
	bits := slices.Repeat([]uint64{8}, samples)
	one := func(id, typ uint16, v int) Tag { return Tag{ID: id, Type: typ, Values: []uint64{uint64(v)}} }
	tags := []Tag{
		one(256, Long, p.W), one(257, Long, p.H), {ID: 258, Type: Short, Values: bits},
		one(259, Short, compression), one(277, Short, samples),
	}
	if photometric >= 0 {
		tags = append(tags, one(262, Short, photometric))
	}
	if p.Predictor {
		tags = append(tags, one(317, Short, 2))
	}
	if p.TileW > 0 {
		return append(tags, one(322, Short, segW), one(323, Short, segH),
			Tag{ID: 324, Type: w.pointer(), Values: offsets}, Tag{ID: 325, Type: Long, Values: counts})
	}
	return append(tags, one(278, Long, segH),
		Tag{ID: 273, Type: w.pointer(), Values: offsets}, Tag{ID: 279, Type: Long, Values: counts})
}

// cut returns a rectangle of the pixels; beyond the edge stands 77.
func (p *Page) cut(x0, y0, w, h, samples int) []byte {
	out := bytes.Repeat([]byte{77}, w*h*samples)
	inside := min(w, p.W-x0) * samples
	for y := range min(h, p.H-y0) {
		copy(out[y*w*samples:][:inside], p.Pix[((y0+y)*p.W+x0)*samples:])
	}
	return out
}

// pointer is the type of an offset.
func (w *writer) pointer() uint16 {
	if w.Big {
		return Long8
	}
	return Long
}

var typeSize = map[uint16]int{Byte: 1, ASCII: 1, Short: 2, Long: 4, Rational: 8, Long8: 8}

// directory appends the values that need room, then the entries.
func (w *writer) directory(tags []Tag) (dir, link int) {
	type entry struct {
		count int
		value []byte
	}
	entries := make([]entry, len(tags))
	for i, t := range tags {
		mark := len(w.b)
		e := entry{count: len(t.Values)}
		switch {
		case t.Text != "":
			e.count = len(t.Text)
			w.b = append(w.b, t.Text...)
		case t.Type == Rational:
			e.count /= 2
			for _, v := range t.Values {
				w.put(4, v)
			}
		default:
			for _, v := range t.Values {
				w.put(typeSize[t.Type], v)
			}
		}
		if e.value = slices.Clone(w.b[mark:]); len(e.value) <= w.offset() {
			w.b = w.b[:mark]
		} else {
			at := writer{Format: w.Format}
			at.put(w.offset(), uint64(mark))
			e.value = at.b
		}
		entries[i] = e
	}
	dir = len(w.b)
	if w.Big {
		w.put(8, uint64(len(tags)))
	} else {
		w.put(2, uint64(len(tags)))
	}
	for i, t := range tags {
		w.put(2, uint64(t.ID))
		w.put(2, uint64(t.Type))
		w.put(w.offset(), uint64(entries[i].count))
		w.b = append(w.b, entries[i].value...)
		w.b = append(w.b, make([]byte, w.offset()-len(entries[i].value))...)
	}
	link = len(w.b)
	w.put(w.offset(), 0)
	return dir, link
}
