package onnx

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Marshal returns the model as the bytes of a file: always the same bytes for the
// same model, fields in the order of their numbers, then what was kept as it came.
func (m *Model) Marshal() []byte {
	var b []byte
	b = appendInt(b, 1, m.IRVersion)
	b = appendString(b, 2, m.Producer)
	b = appendString(b, 3, m.ProducerVersion)
	b = appendString(b, 4, m.Domain)
	b = appendInt(b, 5, m.Version)
	b = appendString(b, 6, m.Doc)
	if m.Graph != nil {
		b = appendBytes(b, 7, m.Graph.marshal())
	}
	for _, o := range m.Opsets {
		b = appendBytes(b, 8, appendInt(appendString(nil, 1, o.Domain), 2, o.Version))
	}
	for _, e := range m.Metadata {
		b = appendBytes(b, 14, appendString(appendString(nil, 1, e.Key), 2, e.Value))
	}
	return append(b, m.extra...)
}

func (g *Graph) marshal() []byte {
	var b []byte
	for _, n := range g.Nodes {
		b = appendBytes(b, 1, n.marshal())
	}
	b = appendString(b, 2, g.Name)
	for _, t := range g.Initializers {
		b = appendBytes(b, 5, t.marshal())
	}
	b = appendString(b, 10, g.Doc)
	for _, v := range g.Inputs {
		b = appendBytes(b, 11, v.marshal())
	}
	for _, v := range g.Outputs {
		b = appendBytes(b, 12, v.marshal())
	}
	for _, v := range g.Values {
		b = appendBytes(b, 13, v.marshal())
	}
	return append(b, g.extra...)
}

func (n *Node) marshal() []byte {
	var b []byte
	for _, s := range n.Inputs { // an empty name holds the place of an input left out
		b = appendBytes(b, 1, []byte(s))
	}
	for _, s := range n.Outputs {
		b = appendBytes(b, 2, []byte(s))
	}
	b = appendString(b, 3, n.Name)
	b = appendString(b, 4, n.Op)
	for _, a := range n.Attributes {
		b = appendBytes(b, 5, a.marshal())
	}
	b = appendString(b, 6, n.Doc)
	b = appendString(b, 7, n.Domain)
	return append(b, n.extra...)
}

func (a *Attribute) marshal() []byte {
	b := appendString(nil, 1, a.Name)
	if a.Type == AttrFloat || a.Float != 0 {
		b = protowire.AppendTag(b, 2, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, math.Float32bits(a.Float))
	}
	if a.Type == AttrInt || a.Int != 0 {
		b = protowire.AppendTag(b, 3, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(a.Int))
	}
	if a.Type == AttrString || a.Str != nil {
		b = appendBytes(b, 4, a.Str)
	}
	if a.Tensor != nil {
		b = appendBytes(b, 5, a.Tensor.marshal())
	}
	if a.Graph != nil {
		b = appendBytes(b, 6, a.Graph.marshal())
	}
	for _, v := range a.Floats {
		b = protowire.AppendTag(b, 7, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, math.Float32bits(v))
	}
	for _, v := range a.Ints {
		b = protowire.AppendTag(b, 8, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(v))
	}
	for _, v := range a.Strings {
		b = appendBytes(b, 9, v)
	}
	b = append(b, a.extra...)
	return appendInt(b, 20, int64(a.Type))
}

func (t *Tensor) marshal() []byte {
	b := make([]byte, 0, len(t.Raw)+len(t.extra)+len(t.Name)+64)
	b = appendPacked(b, 1, t.Dims)
	b = appendInt(b, 2, int64(t.Type))
	b = appendString(b, 8, t.Name)
	if t.Raw != nil {
		b = appendBytes(b, 9, t.Raw)
	}
	return append(b, t.extra...)
}

func (v *ValueInfo) marshal() []byte {
	b := appendString(nil, 1, v.Name)
	typ := v.typ
	if v.Type != Undefined {
		t := appendInt(nil, 1, int64(v.Type))
		if v.Shape != nil || v.Scalar {
			var shape []byte
			for _, d := range v.Shape {
				shape = appendBytes(shape, 1, d.marshal())
			}
			t = appendBytes(t, 2, shape)
		}
		typ = append(appendBytes(nil, 1, t), v.typ...)
	}
	if typ != nil {
		b = appendBytes(b, 2, typ)
	}
	return append(b, v.extra...)
}

func (d Dim) marshal() []byte {
	if d.Param != "" {
		return appendString(nil, 2, d.Param)
	}
	return appendInt(nil, 1, d.Value)
}

// appendInt leaves out 0, the default.
func appendInt(b []byte, num protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(v))
}

// appendString leaves out the empty string, the default.
func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func appendPacked(b []byte, num protowire.Number, v []int64) []byte {
	if len(v) == 0 {
		return b
	}
	var p []byte
	for _, x := range v {
		p = protowire.AppendVarint(p, uint64(x))
	}
	return appendBytes(b, num, p)
}
