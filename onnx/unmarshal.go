package onnx

import (
	"errors"

	"bcc/fault"
)

// Limits bound what a file may ask for. Elements of tensors do not count: they
// are not copied.
type Limits struct {
	Depth int // graphs inside graphs; default 8
	Items int // nodes, names, attributes and numbers together; default a million, forty times a large network
}

// DefaultLimits returns the limits that Unmarshal uses.
func DefaultLimits() Limits { return Limits{Depth: 8, Items: 1 << 20} }

// Unmarshal reads a model within the default limits. The model aliases data,
// which must not change while it is in use. A file that is not ONNX or that
// asks for more than the limits is fault.Corrupt.
func Unmarshal(data []byte) (*Model, error) { return UnmarshalWithin(data, DefaultLimits()) }

// UnmarshalWithin is Unmarshal within other limits.
func UnmarshalWithin(data []byte, l Limits) (*Model, error) {
	d := &decoder{items: l.Items, depth: l.Depth}
	m, err := d.model(data)
	if err == nil && (m.Graph == nil || len(m.Opsets) == 0) {
		err = errors.New("no graph or no operator set in it")
	}
	if err != nil {
		return nil, fault.New(fault.Corrupt, "read onnx model: not an ONNX file: %w", err)
	}
	return m, nil
}

// decoder counts down what is left of the limits.
type decoder struct{ items, depth int }

func (d *decoder) count() error {
	if d.items--; d.items < 0 {
		return errors.New("more items than the limit")
	}
	return nil
}

// names appends a repeated string and counts it.
func (d *decoder) names(dst *[]string, f rawField) error {
	var s string
	if err := f.str(&s); err != nil {
		return err
	}
	*dst = append(*dst, s)
	return d.count()
}

// message decodes a field that holds a message into a new T at the end of dst.
func message[T any](d *decoder, f rawField, dst *[]*T, decode func([]byte) (*T, error)) error {
	if err := d.count(); err != nil {
		return err
	}
	b, err := f.bytes()
	if err != nil {
		return err
	}
	v, err := decode(b)
	if err != nil {
		return err
	}
	*dst = append(*dst, v)
	return nil
}

// one decodes a field that holds a message, which may come only once.
func one[T any](d *decoder, f rawField, dst **T, decode func([]byte) (*T, error)) error {
	if *dst != nil {
		return errors.New("comes twice")
	}
	var all []*T
	if err := message(d, f, &all, decode); err != nil {
		return err
	}
	*dst = all[0]
	return nil
}

func (d *decoder) model(b []byte) (*Model, error) {
	m := &Model{}
	err := eachField(b, func(f rawField) error {
		switch f.num {
		case 1:
			return f.int(&m.IRVersion)
		case 2:
			return f.str(&m.Producer)
		case 3:
			return f.str(&m.ProducerVersion)
		case 4:
			return f.str(&m.Domain)
		case 5:
			return f.int(&m.Version)
		case 6:
			return f.str(&m.Doc)
		case 7:
			return one(d, f, &m.Graph, d.graph)
		case 8:
			m.Opsets = append(m.Opsets, Opset{})
			o := &m.Opsets[len(m.Opsets)-1]
			return d.pair(f, &o.Domain, nil, &o.Version)
		case 14:
			m.Metadata = append(m.Metadata, Entry{})
			e := &m.Metadata[len(m.Metadata)-1]
			return d.pair(f, &e.Key, &e.Value, nil)
		}
		m.extra = append(m.extra, f.all...)
		return nil
	})
	return m, err
}

// pair decodes a small message: field 1 a string, field 2 a string or a number.
func (d *decoder) pair(f rawField, first, second *string, number *int64) error {
	if err := d.count(); err != nil {
		return err
	}
	b, err := f.bytes()
	if err != nil {
		return err
	}
	return eachField(b, func(f rawField) error {
		switch {
		case f.num == 1:
			return f.str(first)
		case f.num == 2 && second != nil:
			return f.str(second)
		case f.num == 2:
			return f.int(number)
		}
		return nil
	})
}

func (d *decoder) graph(b []byte) (*Graph, error) {
	if d.depth--; d.depth < 0 {
		return nil, errors.New("graphs nest deeper than the limit")
	}
	defer func() { d.depth++ }()
	g := &Graph{}
	err := eachField(b, func(f rawField) error {
		switch f.num {
		case 1:
			return message(d, f, &g.Nodes, d.node)
		case 2:
			return f.str(&g.Name)
		case 5:
			return message(d, f, &g.Initializers, d.tensor)
		case 10:
			return f.str(&g.Doc)
		case 11:
			return message(d, f, &g.Inputs, d.valueInfo)
		case 12:
			return message(d, f, &g.Outputs, d.valueInfo)
		case 13:
			return message(d, f, &g.Values, d.valueInfo)
		}
		g.extra = append(g.extra, f.all...)
		return nil
	})
	return g, err
}

func (d *decoder) node(b []byte) (*Node, error) {
	n := &Node{}
	err := eachField(b, func(f rawField) error {
		switch f.num {
		case 1:
			return d.names(&n.Inputs, f)
		case 2:
			return d.names(&n.Outputs, f)
		case 3:
			return f.str(&n.Name)
		case 4:
			return f.str(&n.Op)
		case 5:
			return message(d, f, &n.Attributes, d.attribute)
		case 6:
			return f.str(&n.Doc)
		case 7:
			return f.str(&n.Domain)
		}
		n.extra = append(n.extra, f.all...)
		return nil
	})
	return n, err
}

func (d *decoder) attribute(b []byte) (*Attribute, error) {
	a := &Attribute{}
	err := eachField(b, func(f rawField) error {
		switch f.num {
		case 1:
			return f.str(&a.Name)
		case 2:
			return f.float(&a.Float)
		case 3:
			return f.int(&a.Int)
		case 4:
			v, err := f.bytes()
			a.Str = v
			return err
		case 5:
			return one(d, f, &a.Tensor, d.tensor)
		case 6:
			return one(d, f, &a.Graph, d.graph)
		case 7:
			return f.floats(&a.Floats, d)
		case 8:
			return f.ints(&a.Ints, d)
		case 9:
			v, err := f.bytes()
			a.Strings = append(a.Strings, v)
			return errors.Join(err, d.count())
		case 20:
			var v int64
			err := f.int(&v)
			a.Type = AttributeType(v)
			return err
		}
		a.extra = append(a.extra, f.all...)
		return nil
	})
	return a, err
}

func (d *decoder) tensor(b []byte) (*Tensor, error) {
	t := &Tensor{}
	err := eachField(b, func(f rawField) error {
		switch f.num {
		case 1:
			return f.ints(&t.Dims, d)
		case 2:
			var v int64
			err := f.int(&v)
			t.Type = DataType(v)
			return err
		case 8:
			return f.str(&t.Name)
		case 9:
			v, err := f.bytes()
			t.Raw = v
			return err
		case 14:
			var v int64
			if err := f.int(&v); err != nil {
				return err
			}
			t.External = t.External || v == 1
		case 13: // where in another file they lie
			t.External = true
		}
		t.extra = append(t.extra, f.all...)
		return nil
	})
	return t, err
}

func (d *decoder) valueInfo(b []byte) (*ValueInfo, error) {
	v := &ValueInfo{}
	err := eachField(b, func(f rawField) error {
		switch f.num {
		case 1:
			return f.str(&v.Name)
		case 2:
			b, err := f.bytes()
			if err != nil {
				return err
			}
			return d.valueType(v, b)
		}
		v.extra = append(v.extra, f.all...)
		return nil
	})
	return v, err
}

// valueType reads a TypeProto. Only dense tensors are taken apart.
func (d *decoder) valueType(v *ValueInfo, b []byte) error {
	return eachField(b, func(f rawField) error {
		if f.num != 1 { // a sequence, a map, an optional, or a denotation
			v.typ = append(v.typ, f.all...)
			return nil
		}
		t, err := f.bytes()
		if err != nil {
			return err
		}
		return eachField(t, func(f rawField) error {
			switch f.num {
			case 1:
				var e int64
				err := f.int(&e)
				v.Type = DataType(e)
				return err
			case 2:
				b, err := f.bytes()
				if err != nil {
					return err
				}
				v.Scalar = len(b) == 0
				return d.shape(v, b)
			}
			return errors.New("unknown part of a tensor type")
		})
	})
}

func (d *decoder) shape(v *ValueInfo, b []byte) error {
	return eachField(b, func(f rawField) error {
		if f.num != 1 {
			return nil
		}
		if err := d.count(); err != nil {
			return err
		}
		b, err := f.bytes()
		if err != nil {
			return err
		}
		var dim Dim
		err = eachField(b, func(f rawField) error {
			switch f.num {
			case 1:
				return f.int(&dim.Value)
			case 2:
				return f.str(&dim.Param)
			}
			return nil
		})
		v.Shape = append(v.Shape, dim)
		return err
	})
}
