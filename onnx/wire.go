package onnx

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// rawField is one field of a message as it lies on the wire. The bytes alias the file.
type rawField struct {
	num protowire.Number
	typ protowire.Type
	val []byte // contents of a length-delimited field, else the encoded value
	all []byte // tag and value
}

var errWire = errors.New("wrong wire type")

// eachField walks the fields of a message.
func eachField(b []byte, f func(rawField) error) error {
	for len(b) > 0 {
		num, typ, k := protowire.ConsumeTag(b)
		if k < 0 {
			return protowire.ParseError(k)
		}
		n := protowire.ConsumeFieldValue(num, typ, b[k:])
		if n < 0 {
			return protowire.ParseError(n)
		}
		r := rawField{num: num, typ: typ, val: b[k : k+n], all: b[:k+n]}
		if typ == protowire.BytesType {
			r.val, _ = protowire.ConsumeBytes(r.val)
		}
		if err := f(r); err != nil {
			return fmt.Errorf("field %d: %w", num, err)
		}
		b = b[k+n:]
	}
	return nil
}

func (r rawField) bytes() ([]byte, error) {
	if r.typ != protowire.BytesType {
		return nil, errWire
	}
	return r.val, nil
}

func (r rawField) str(dst *string) error {
	b, err := r.bytes()
	*dst = string(b)
	return err
}

func (r rawField) int(dst *int64) error {
	if r.typ != protowire.VarintType {
		return errWire
	}
	v, _ := protowire.ConsumeVarint(r.val)
	*dst = int64(v)
	return nil
}

func (r rawField) float(dst *float32) error {
	if r.typ != protowire.Fixed32Type {
		return errWire
	}
	v, _ := protowire.ConsumeFixed32(r.val)
	*dst = math.Float32frombits(v)
	return nil
}

// ints appends a repeated integer, packed or not, and counts each.
func (r rawField) ints(dst *[]int64, d *decoder) error {
	if r.typ != protowire.VarintType && r.typ != protowire.BytesType {
		return errWire
	}
	for b := r.val; len(b) > 0; {
		v, k := protowire.ConsumeVarint(b)
		if k < 0 {
			return protowire.ParseError(k)
		}
		if err := d.count(); err != nil {
			return err
		}
		*dst, b = append(*dst, int64(v)), b[k:]
	}
	return nil
}

// floats appends a repeated float, packed or not, and counts each.
func (r rawField) floats(dst *[]float32, d *decoder) error {
	if r.typ != protowire.Fixed32Type && r.typ != protowire.BytesType {
		return errWire
	}
	for b := r.val; len(b) > 0; {
		v, k := protowire.ConsumeFixed32(b)
		if k < 0 {
			return protowire.ParseError(k)
		}
		if err := d.count(); err != nil {
			return err
		}
		*dst, b = append(*dst, math.Float32frombits(v)), b[k:]
	}
	return nil
}
