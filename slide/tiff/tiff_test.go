package tiff_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/slide/internal/tifftest"
	"bcc/slide/tiff"
)

func page(tags ...tifftest.Tag) *tifftest.Page {
	return &tifftest.Page{W: 2, H: 2, Pix: make([]byte, 12), Tags: tags}
}

func tag(id, typ uint16, values ...uint64) tifftest.Tag {
	return tifftest.Tag{ID: id, Type: typ, Values: values}
}

func parse(b []byte) (*tiff.File, error) { return tiff.Parse(bytes.NewReader(b), int64(len(b))) }

var formats = map[string]tifftest.Format{
	"classic-II": {}, "classic-MM": {Order: binary.BigEndian},
	"big-II": {Big: true}, "big-MM": {Big: true, Order: binary.BigEndian},
}

func TestItReadsValuesOfEveryTypeInEveryOrder(t *testing.T) {
	t.Parallel()
	for name, format := range formats {
		f, err := parse(tifftest.Write(format,
			page(
				tag(282, tifftest.Rational, 18988, 10),
				tag(1000, tifftest.Byte, 1, 2, 3),
				tag(1001, tifftest.Short, 1, 2, 3, 4, 5, 6),
				tag(1002, tifftest.Long, 1<<31),
				tifftest.Tag{ID: 270, Type: tifftest.ASCII, Text: "a text\x00hidden"},
			),
			page()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(f.Directories) != 2 || f.Big != format.Big {
			t.Fatalf("%s: %d directories, big %v", name, len(f.Directories), f.Big)
		}
		d := f.Directories[0]
		if v, err := d.Float(282); err != nil || v != 1898.8 {
			t.Errorf("%s: rational %v, %v", name, v, err)
		}
		for id, want := range map[uint16][]uint64{1000: {1, 2, 3}, 1001: {1, 2, 3, 4, 5, 6}, 1002: {1 << 31}, 999: nil} {
			if v, err := d.Uints(id, 100); err != nil || !slices.Equal(v, want) {
				t.Errorf("%s: tag %d = %v, %v, want %v", name, id, v, err, want)
			}
		}
		if v, err := d.Text(270, 100); err != nil || v != "a text" {
			t.Errorf("%s: text %q, %v", name, v, err)
		}
		if v, err := d.Text(270, 3); err != nil || v != "a t" {
			t.Errorf("%s: text of 3 bytes %q, %v", name, v, err)
		}
		if v, err := d.Uint(999, 7); err != nil || v != 7 {
			t.Errorf("%s: default %d, %v", name, v, err)
		}
		if v, err := d.Float(999); err != nil || !math.IsNaN(v) {
			t.Errorf("%s: number that is absent: %v, %v", name, v, err)
		}
		for what, err := range map[string]error{
			"too many":   second(d.Uints(1001, 5)),
			"too few":    second(d.FirstUints(1000, 4)),
			"missing":    second(d.FirstUints(999, 1)),
			"wrong type": second(d.Uints(270, 100)),
			"no text":    second(d.Text(1001, 100)),
		} {
			if fault.Of(err) != fault.Corrupt {
				t.Errorf("%s: %s: %v, want corrupt", name, what, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestItFindsSubIFDs(t *testing.T) {
	t.Parallel()
	for name, format := range formats {
		p := page()
		p.Sub = []*tifftest.Page{page(tag(1000, tifftest.Byte, 1)), page(tag(1000, tifftest.Byte, 2))}
		f, err := parse(tifftest.Write(format, p))
		if err != nil || len(f.Directories[0].Sub) != 2 {
			t.Fatalf("%s: %v", name, err)
		}
		if v, _ := f.Directories[0].Sub[1].Uint(1000, 0); v != 2 {
			t.Errorf("%s: the second SubIFD has %d", name, v)
		}
	}
}

func TestItRefusesBrokenDirectories(t *testing.T) {
	t.Parallel()
	good := tifftest.Write(tifftest.Format{}, page())
	first := int(binary.LittleEndian.Uint32(good[4:]))
	entries := int(binary.LittleEndian.Uint16(good[first:]))
	link := first + 2 + 12*entries
	big := tifftest.Write(tifftest.Format{Big: true}, page())
	bigFirst := int(binary.LittleEndian.Uint64(big[8:]))
	change := func(b []byte, at int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], v)
		return b
	}
	le32 := func(v int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) }
	million := binary.LittleEndian.AppendUint64(nil, 1_000_000)

	subCircle := page()
	subCircle.Tags = []tifftest.Tag{tag(330, tifftest.Long, 8)} // patched below
	circle := tifftest.Write(tifftest.Format{}, subCircle)
	at := int(binary.LittleEndian.Uint32(circle[4:]))
	for i := range int(binary.LittleEndian.Uint16(circle[at:])) {
		if e := circle[at+2+12*i:]; binary.LittleEndian.Uint16(e) == 330 {
			binary.LittleEndian.PutUint32(e[8:], uint32(at))
		}
	}
	for name, c := range map[string]struct {
		file []byte
		word string
	}{
		"only a header":                 {good[:8], "beyond the end"},
		"no directory":                  {change(good, 4, 0, 0, 0, 0), "no directory"},
		"a chain that is a circle":      {change(good, link, le32(first)...), "circle"},
		"a SubIFD that is its parent":   {circle, "circle"},
		"a next one beyond the end":     {change(good, link, le32(1<<30)...), "beyond the end"},
		"65,535 tags":                   {change(good, first, 0xff, 0xff), "65535 tags"},
		"a million tags":                {change(big, bigFirst, million...), "1000000 tags"},
		"a million tags that are there": {append(change(big, bigFirst, million...), make([]byte, 20_000_008)...), "1000000 tags"},
		"2^63 tags":                     {change(big, bigFirst, 0, 0, 0, 0, 0, 0, 0, 0x80), "tags"},
		"no tags":                       {change(good, first, 0, 0), "0 tags"},
		"a first one at 2^63":           {change(big, 8, 0, 0, 0, 0, 0, 0, 0, 0x80), "beyond the end"},
		"a first one at 2^64-1":         {change(big, 8, bytes.Repeat([]byte{0xff}, 8)...), "beyond the end"},
		"BigTIFF with small offsets":    {change(big, 4, 4), "BigTIFF"},
	} {
		_, err := parse(c.file)
		if fault.Of(err) != fault.Corrupt || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v, want corrupt and %q", name, err, c.word)
		}
	}
	if _, err := parse([]byte("GIF89a and more")); fault.Of(err) != fault.Unsupported {
		t.Errorf("a GIF: %v, want unsupported", err)
	}
}

func TestItRefusesValuesBeyondTheFile(t *testing.T) {
	t.Parallel()
	for name, format := range formats {
		b := tifftest.Write(format, page(tag(1001, tifftest.Short, 1, 2, 3, 4, 5, 6)))
		order := binary.ByteOrder(binary.LittleEndian)
		if format.Order != nil {
			order = format.Order
		}
		needle := appendU16(order, nil, 1001, tifftest.Short)
		i := bytes.Index(b, needle)
		if format.Big {
			order.PutUint64(b[i+4:], 1<<62)
		} else {
			order.PutUint32(b[i+4:], 1<<31)
		}
		f, err := parse(b)
		if err != nil {
			t.Fatalf("%s: a value that nobody asks for: %v", name, err)
		}
		if _, err := f.Directories[0].FirstUints(1001, 1<<30); fault.Of(err) != fault.Corrupt {
			t.Errorf("%s: %v, want corrupt", name, err)
		}
		if v, err := f.Directories[0].FirstUints(1001, 6); err != nil || v[5] != 6 {
			t.Errorf("%s: the values that are there: %v, %v", name, v, err)
		}
	}
}

func appendU16(order binary.ByteOrder, b []byte, values ...uint16) []byte {
	for _, v := range values {
		b = append(b, 0, 0)
		order.PutUint16(b[len(b)-2:], v)
	}
	return b
}

func TestItStopsAtItsBudget(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 22<<20)
	b := tifftest.Write(tifftest.Format{}, page(tifftest.Tag{ID: 270, Type: tifftest.ASCII, Text: long}))
	f, err := parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if v, err := f.Directories[0].Bytes(270, 1<<30); err != nil || len(v) != len(long) {
			t.Fatalf("within: %d bytes, %v", len(v), err)
		}
	}
	if _, err := f.Directories[0].Bytes(270, 1<<30); fault.Of(err) != fault.Corrupt {
		t.Errorf("beyond: %v, want corrupt", err)
	}
}

func FuzzDirectory(f *testing.F) {
	for _, format := range formats {
		p := page(tag(282, tifftest.Rational, 1, 2), tag(1001, tifftest.Short, 1, 2, 3))
		p.Sub = []*tifftest.Page{page()}
		f.Add(tifftest.Write(format, p, page()))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parse(b)
		if err != nil {
			if k := fault.Of(err); k != fault.Corrupt && k != fault.Unsupported {
				t.Errorf("kind %v: %v", k, err)
			}
			return
		}
		for _, d := range file.Directories[:min(3, len(file.Directories))] {
			for id := range uint16(350) {
				d.Uints(id, 1000)
				d.FirstUints(id, 3)
				d.Float(id)
				if v, err := d.Text(id, 1000); err == nil && len(v) > 1000 {
					t.Errorf("tag %d: a text of %d bytes", id, len(v))
				}
			}
		}
	})
}
