package onnx

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Marshal returns the model as the bytes of a file: always the same bytes for the
// same model, fields in the order of their numbers, then what was kept as it came.
// Nothing but the result is allocated: weights are large.
func (m *Model) Marshal() []byte {
	size := 1 << 12
	if m.Graph != nil {
		size += 256 * len(m.Graph.Nodes)
		for _, t := range m.Graph.Initializers {
			size += len(t.Raw) + len(t.extra) + 128
		}
	}
	b := make([]byte, 0, size)
	b = appendInt(b, 1, m.IRVersion)
	b = appendString(b, 2, m.Producer)
	b = appendString(b, 3, m.ProducerVersion)
	b = appendString(b, 4, m.Domain)
	b = appendInt(b, 5, m.Version)
	b = appendString(b, 6, m.Doc)
	if m.Graph != nil {
		b = appendMessage(b, 7, m.Graph.appendTo)
	}
	for _, o := range m.Opsets {
		b = appendMessage(b, 8, func(b []byte) []byte { return appendInt(appendString(b, 1, o.Domain), 2, o.Version) })
	}
	for _, e := range m.Metadata {
		b = appendMessage(b, 14, func(b []byte) []byte { return appendString(appendString(b, 1, e.Key), 2, e.Value) })
	}
	return append(b, m.extra...)
}

func (g *Graph) appendTo(b []byte) []byte {
	for _, n := range g.Nodes {
		b = appendMessage(b, 1, n.appendTo)
	}
	b = appendString(b, 2, g.Name)
	for _, t := range g.Initializers {
		b = appendMessage(b, 5, t.appendTo)
	}
	b = appendString(b, 10, g.Doc)
	for _, v := range g.Inputs {
		b = appendMessage(b, 11, v.appendTo)
	}
	for _, v := range g.Outputs {
		b = appendMessage(b, 12, v.appendTo)
	}
	for _, v := range g.Values {
		b = appendMessage(b, 13, v.appendTo)
	}
	return append(b, g.extra...)
}

func (n *Node) appendTo(b []byte) []byte {
	for _, s := range n.Inputs { // an empty name holds the place of an input left out
		b = appendBytes(b, 1, []byte(s))
	}
	for _, s := range n.Outputs {
		b = appendBytes(b, 2, []byte(s))
	}
	b = appendString(b, 3, n.Name)
	b = appendString(b, 4, n.Op)
	for _, a := range n.Attributes {
		b = appendMessage(b, 5, a.appendTo)
	}
	b = appendString(b, 6, n.Doc)
	b = appendString(b, 7, n.Domain)
	return append(b, n.extra...)
}

func (a *Attribute) appendTo(b []byte) []byte {
	b = appendString(b, 1, a.Name)
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
		b = appendMessage(b, 5, a.Tensor.appendTo)
	}
	if a.Graph != nil {
		b = appendMessage(b, 6, a.Graph.appendTo)
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

func (t *Tensor) appendTo(b []byte) []byte {
	b = appendPacked(b, 1, t.Dims)
	b = appendInt(b, 2, int64(t.Type))
	b = appendString(b, 8, t.Name)
	if t.Raw != nil {
		b = appendBytes(b, 9, t.Raw)
	}
	return append(b, t.extra...)
}

func (v *ValueInfo) appendTo(b []byte) []byte {
	b = appendString(b, 1, v.Name)
	if v.Type != Undefined || v.typ != nil {
		b = appendMessage(b, 2, v.appendType)
	}
	return append(b, v.extra...)
}

func (v *ValueInfo) appendType(b []byte) []byte {
	if v.Type != Undefined {
		b = appendMessage(b, 1, v.appendTensorType)
	}
	return append(b, v.typ...)
}

func (v *ValueInfo) appendTensorType(b []byte) []byte {
	b = appendInt(b, 1, int64(v.Type))
	if v.Shape == nil && !v.Scalar {
		return b
	}
	return appendMessage(b, 2, func(b []byte) []byte {
		for _, d := range v.Shape {
			b = appendMessage(b, 1, d.appendTo)
		}
		return b
	})
}

func (d Dim) appendTo(b []byte) []byte {
	if d.Param != "" {
		return appendString(b, 2, d.Param)
	}
	return appendInt(b, 1, d.Value)
}

// appendMessage appends a field that holds a message: the message goes where it
// will lie, and moves by the few bytes of its length once that is known.
func appendMessage(b []byte, num protowire.Number, message func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	start := len(b)
	b = message(b)
	n := len(b) - start
	width := protowire.SizeVarint(uint64(n))
	b = append(b, make([]byte, width)...)
	copy(b[start+width:], b[start:start+n])
	protowire.AppendVarint(b[start:start], uint64(n))
	return b
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
