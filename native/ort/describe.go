package ort

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"bcc/fault"
)

// signature is what a model says of itself: enough to feed it and to read it.
type signature struct {
	inputs   []value // those that a caller must give
	outputs  []value
	external bool // weights lie in other files
}

// value is a named tensor.
type value struct {
	name  string
	dtype uint64  // TensorProto.DataType; 1 is float32
	shape []int64 // -1 where it is open; nil where nothing is said
}

// Field numbers of onnx.proto3. Only the header is read: a session made to ask the
// engine for it would load all weights twice.
const (
	modelGraph = 7

	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12

	tensorName         = 8
	tensorDataLocation = 14 // 1 is external

	valueName  = 1
	valueType  = 2
	typeTensor = 1 // TypeProto.tensor_type
	tensorElem = 1
	tensorDims = 2 // TensorShapeProto
	shapeDim   = 1
	dimValue   = 1
)

var errNotONNX = errors.New("not an ONNX model")

// describe reads the inputs and outputs of a model.
func describe(onnx []byte) (signature, error) {
	var s signature
	var weights []string
	graphs := 0
	err := fields(onnx, func(num protowire.Number, _ uint64, graph []byte) error {
		if num != modelGraph || graph == nil {
			return nil
		}
		graphs++
		return fields(graph, func(num protowire.Number, _ uint64, b []byte) error {
			if b == nil {
				return nil
			}
			switch num {
			case graphInitializer:
				return fields(b, func(num protowire.Number, v uint64, b []byte) error {
					if num == tensorName {
						weights = append(weights, string(b))
					}
					s.external = s.external || num == tensorDataLocation && v == 1
					return nil
				})
			case graphInput:
				v, err := describeValue(b)
				s.inputs = append(s.inputs, v)
				return err
			case graphOutput:
				v, err := describeValue(b)
				s.outputs = append(s.outputs, v)
				return err
			}
			return nil
		})
	})
	if err != nil || graphs != 1 || len(s.outputs) == 0 {
		return signature{}, fault.New(fault.Corrupt, "read model of %d bytes: %w", len(onnx), cmpErr(err))
	}
	// Old models list their weights among the inputs, as defaults.
	s.inputs = slices.DeleteFunc(s.inputs, func(v value) bool { return slices.Contains(weights, v.name) })
	return s, nil
}

func cmpErr(err error) error {
	if err == nil {
		return errNotONNX
	}
	return fmt.Errorf("%w: %w", errNotONNX, err)
}

func describeValue(b []byte) (value, error) {
	var v value
	err := fields(b, func(num protowire.Number, _ uint64, b []byte) error {
		switch {
		case num == valueName:
			v.name = string(b)
		case num == valueType:
			return fields(b, func(num protowire.Number, _ uint64, tensor []byte) error {
				if num != typeTensor {
					return nil
				}
				return fields(tensor, func(num protowire.Number, n uint64, b []byte) error {
					switch num {
					case tensorElem:
						v.dtype = n
					case tensorDims:
						var err error
						v.shape, err = describeShape(b)
						return err
					}
					return nil
				})
			})
		}
		return nil
	})
	return v, err
}

func describeShape(b []byte) ([]int64, error) {
	shape := []int64{}
	err := fields(b, func(num protowire.Number, _ uint64, dim []byte) error {
		if num != shapeDim {
			return nil
		}
		size := int64(-1)
		err := fields(dim, func(num protowire.Number, n uint64, _ []byte) error {
			if num == dimValue && int64(n) > 0 {
				size = int64(n)
			}
			return nil
		})
		shape = append(shape, size)
		return err
	})
	return shape, err
}

// fields calls f for each field of a message: n is its value when it is a varint,
// b its bytes, not nil, when it has a length.
func fields(msg []byte, f func(num protowire.Number, n uint64, b []byte) error) error {
	for len(msg) > 0 {
		num, typ, size := protowire.ConsumeTag(msg)
		if size < 0 {
			return protowire.ParseError(size)
		}
		msg = msg[size:]
		var n uint64
		var b []byte
		switch typ {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(msg)
		case protowire.BytesType:
			b, size = protowire.ConsumeBytes(msg)
			if b == nil {
				b = []byte{}
			}
		default:
			size = protowire.ConsumeFieldValue(num, typ, msg)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		if err := f(num, n, b); err != nil {
			return err
		}
		msg = msg[size:]
	}
	return nil
}
