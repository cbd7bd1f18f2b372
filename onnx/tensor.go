package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Tensor is a constant: its elements lie in Raw, little-endian, row by row.
type Tensor struct {
	Name     string
	Type     DataType
	Dims     []int64
	Raw      []byte
	External bool // the elements lie in another file, which is never opened

	extra []byte // typed element fields, as some writers use them instead of Raw
}

// Field numbers of the typed element fields of a TensorProto.
const (
	tensorFloats = 4
	tensorInt32s = 5
	tensorInt64s = 7
	tensorDouble = 10
	tensorUint64 = 11
)

// NewFloats returns a float32 tensor; len(values) is the product of dims.
func NewFloats(name string, dims []int64, values []float32) *Tensor {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return &Tensor{Name: name, Type: Float32, Dims: dims, Raw: raw}
}

// NewInt64s returns an int64 tensor of one dimension.
func NewInt64s(name string, values []int64) *Tensor {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return &Tensor{Name: name, Type: Int64, Dims: []int64{int64(len(values))}, Raw: raw}
}

// Len returns the number of elements: the product of Dims, 1 for a scalar. It is
// an error where a dimension is negative or the product exceeds 2⁴⁰.
func (t *Tensor) Len() (int64, error) {
	n := int64(1)
	for _, d := range t.Dims {
		if d < 0 || d > 1<<40 {
			return 0, fmt.Errorf("dimension %d", d)
		}
		if n *= d; n > 1<<40 {
			return 0, fmt.Errorf("dimensions %v hold too many elements", t.Dims)
		}
	}
	return n, nil
}

// Floats returns the elements of a float32 tensor.
func (t *Tensor) Floats() ([]float32, error) {
	if t.Type != Float32 {
		return nil, fmt.Errorf("tensor %q: element type %d is not float32", t.Name, t.Type)
	}
	b := t.Raw
	if b == nil {
		var err error
		if b, err = t.packed(tensorFloats); err != nil {
			return nil, err
		}
	}
	if n, err := t.Len(); err != nil || n*4 != int64(len(b)) {
		return nil, fmt.Errorf("tensor %q: %d bytes do not fill %v", t.Name, len(b), t.Dims)
	}
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out, nil
}

// Int64s returns the elements of an int64 tensor.
func (t *Tensor) Int64s() ([]int64, error) {
	if t.Type != Int64 {
		return nil, fmt.Errorf("tensor %q: element type %d is not int64", t.Name, t.Type)
	}
	n, err := t.Len()
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	var out []int64
	if t.Raw != nil {
		for b := t.Raw; len(b) >= 8; b = b[8:] {
			out = append(out, int64(binary.LittleEndian.Uint64(b)))
		}
	} else {
		b, err := t.packed(tensorInt64s)
		if err != nil {
			return nil, err
		}
		for len(b) > 0 {
			v, k := protowire.ConsumeVarint(b)
			if k < 0 {
				return nil, fmt.Errorf("tensor %q: %w", t.Name, protowire.ParseError(k))
			}
			out, b = append(out, int64(v)), b[k:]
		}
	}
	if int64(len(out)) != n {
		return nil, fmt.Errorf("tensor %q: %d elements do not fill %v", t.Name, len(out), t.Dims)
	}
	return out, nil
}

// packed returns the bytes of a typed element field, packed or not, one after
// the other.
func (t *Tensor) packed(field protowire.Number) ([]byte, error) {
	var out []byte
	err := eachField(t.extra, func(f rawField) error {
		if f.num != field {
			return nil
		}
		if out == nil { // the usual case: one packed run, not copied
			out = f.val[:len(f.val):len(f.val)]
		} else {
			out = append(out, f.val...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	return out, nil
}

// width returns the bytes of an element in Raw, 0 where it is not fixed or unknown.
func (d DataType) width() int64 {
	switch d {
	case Uint8, Int8, Bool, 17, 18, 19, 20, 24: // the last five: 8-bit floats
		return 1
	case 4, 5, Float16, BFloat16:
		return 2
	case Float32, Int32, 12:
		return 4
	case Int64, Float64, 13, 14:
		return 8
	case 15:
		return 16
	}
	return 0
}
