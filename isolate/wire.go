package isolate

import (
	"encoding/binary"
	"encoding/json"

	"bcc/fault"
	"bcc/patch"
	"bcc/slide"
	"bcc/wsi"
)

// A frame is its length (4 bytes, of what follows), its kind (1), the number of what
// it belongs to (4) and what it says. Both processes are the same program on the
// same machine: there are no versions, and the order of bytes is any.
const frameHead = 9

var order = binary.LittleEndian

// Kinds of frames. Those from the parent, each about the operation whose number it has:
const (
	toHello   = iota + 1 // hello: what the child may
	toOpen               // opening: the file comes with it, where there is one
	toClose              // the slide
	toRead               // reading
	toPatches            // walking, and cells
	toFreed              // slots whose patches are released, 4 bytes each
	toCancel             // what the operation does
	toWindow             // size, and the memory; its number is the window's
	toDrop               // the window of that number
	toBytes              // an answer to fromAsk: what it is and the bytes
	toView               // how many times smaller the overview shall be, a float64
	toFetch              // fetching: the pixels of an overview

	// Those from the child:
	fromReady // ready
	fromDone  // done: the end of an operation
	fromSome  // patches in their slots, someBytes each
	fromAsk   // place (8) and number (4) of bytes of the slide
	fromAlive // it reads
)

// What frames hold at most, in bytes. A child is believed less.
const (
	maxFromChild  = 1 << 20
	maxFromParent = 512 << 20 // a grid of 50 million cells
)

// askBytes is the most that is asked for at once.
const askBytes = 1 << 20

// someBytes is one patch in a fromSome: its index, its slot, the microseconds it took.
const someBytes = 12

type hello struct {
	Memory   int64 `json:"memory"`   // bytes
	CPU      int64 `json:"cpu"`      // seconds, of all its slides
	Patience int64 `json:"patience"` // nanoseconds
}

type ready struct {
	Lacks []string `json:"lacks"` // limits that the system does not know, in words
}

type opening struct {
	Size       int64   `json:"size"`
	File       bool    `json:"file"` // comes with the frame
	CacheBytes int64   `json:"cache_bytes"`
	Workers    int     `json:"workers"`
	MPP        wsi.MPP `json:"mpp"`
}

func (o opening) config() slide.Config {
	return slide.Config{CacheBytes: o.CacheBytes, Workers: o.Workers, MPP: o.MPP}
}

// opened is what a slide says of itself.
type opened struct {
	Format string      `json:"format"`
	Levels []wsi.Level `json:"levels"`
	MPP    wsi.MPP     `json:"mpp"` // zero: unknown
}

// viewed is an overview that the child holds until it is fetched.
type viewed struct {
	Size   wsi.Size `json:"size"`
	ScaleX float64  `json:"scale_x"`
	ScaleY float64  `json:"scale_y"`
}

type fetching struct {
	View   uint32 `json:"view"` // the operation that made it
	Window uint32 `json:"window"`
}

type reading struct {
	Level  int      `json:"level"`
	Rect   wsi.Rect `json:"rect"`
	Window uint32   `json:"window"`
}

// walking is a grid without its cells, and how its patches are read.
type walking struct {
	Window     uint32   `json:"window"`
	Grid       wsi.Grid `json:"grid"`
	SizePx     int      `json:"size_px"`
	MPP        float64  `json:"mpp"`
	Readers    int      `json:"readers"`
	Slots      int      `json:"slots"`
	Low        int      `json:"low"` // with so many patches out, those that are ready are sent at once
	CacheBytes int64    `json:"cache_bytes"`
}

func (w walking) config() patch.Config {
	return patch.Config{SizePx: w.SizePx, MPP: w.MPP, Readers: w.Readers, Prefetch: w.Slots, CacheBytes: w.CacheBytes}
}

// done ends an operation.
type done struct {
	Error  *failure `json:"error,omitempty"`
	Opened *opened  `json:"opened,omitempty"`
	Viewed *viewed  `json:"viewed,omitempty"`
}

// Status of a toBytes, its first byte.
const (
	bytesWhole = iota
	bytesEnd   // the slide ends there
	bytesError // a failure follows
)

// message returns v as the words of a frame.
func message(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // a number that is none
		b, _ = json.Marshal(done{Error: &failure{Message: "describe what was read: " + err.Error(), Typed: true, Kind: fault.Corrupt}})
	}
	return b
}

// packCells appends the cells' places.
func packCells(b []byte, cells []wsi.Cell) []byte {
	for _, c := range cells {
		b = order.AppendUint32(b, uint32(c.Col))
		b = order.AppendUint32(b, uint32(c.Row))
	}
	return b
}

func unpackCells(b []byte) []wsi.Cell {
	cells := make([]wsi.Cell, len(b)/8)
	for i := range cells {
		cells[i].Col, cells[i].Row = int(order.Uint32(b[8*i:])), int(order.Uint32(b[8*i+4:]))
	}
	return cells
}
