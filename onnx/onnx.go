// Package onnx holds the words of an ONNX model file: the protobuf messages that
// a network is stored in, read and written over the wire format alone.
//
// In: the bytes of a file, or a model built in memory. Out: the other one. It
// runs nothing, and it infers no shapes; Check proves what an engine relies on.
//
// What a message holds beyond these words is kept as it came and written back
// after them, so that a model from elsewhere survives being read, changed and
// written. Field numbers are those of onnx.proto3 of ONNX 1.18.
package onnx

// DataType is the type of a tensor's elements (onnx.proto3, TensorProto.DataType).
type DataType int32

// The element types that networks for pictures use; others are kept by number.
const (
	Undefined DataType = 0
	Float32   DataType = 1
	Uint8     DataType = 2
	Int8      DataType = 3
	Int32     DataType = 6
	Int64     DataType = 7
	String    DataType = 8
	Bool      DataType = 9
	Float16   DataType = 10
	Float64   DataType = 11
	BFloat16  DataType = 16
)

// Model is a whole file.
type Model struct {
	IRVersion       int64 // version of the file format itself
	Opsets          []Opset
	Producer        string
	ProducerVersion string
	Domain          string
	Version         int64
	Doc             string
	Graph           *Graph
	Metadata        []Entry

	extra []byte
}

// Opset names the version of a set of operators that the graph speaks.
type Opset struct {
	Domain  string // empty: the standard operators
	Version int64
}

// Entry is a key and a value.
type Entry struct{ Key, Value string }

// Graph is a network: nodes in an order in which they can run.
type Graph struct {
	Name         string
	Doc          string
	Nodes        []*Node
	Initializers []*Tensor // constants and weights
	Inputs       []*ValueInfo
	Outputs      []*ValueInfo
	Values       []*ValueInfo // shapes of what lies between, optional

	extra []byte
}

// Node is one operator applied to named values. An empty input name is an
// optional input left out.
type Node struct {
	Name       string
	Op         string
	Domain     string
	Doc        string
	Inputs     []string
	Outputs    []string
	Attributes []*Attribute

	extra []byte
}

// AttributeType says which field of an Attribute counts.
type AttributeType int32

// The kinds of attribute that are read; others are kept as they came.
const (
	AttrFloat   AttributeType = 1
	AttrInt     AttributeType = 2
	AttrString  AttributeType = 3
	AttrTensor  AttributeType = 4
	AttrGraph   AttributeType = 5
	AttrFloats  AttributeType = 6
	AttrInts    AttributeType = 7
	AttrStrings AttributeType = 8
)

// Attribute is a setting of a node, fixed when the graph is built.
type Attribute struct {
	Name    string
	Type    AttributeType
	Float   float32
	Int     int64
	Str     []byte
	Tensor  *Tensor
	Graph   *Graph
	Floats  []float32
	Ints    []int64
	Strings [][]byte

	extra []byte
}

// ValueInfo is the name and type of an input, an output or a value between.
type ValueInfo struct {
	Name  string
	Type  DataType // Undefined where it is no dense tensor
	Shape []Dim    // nil: the rank is unknown, unless Scalar
	// Scalar says that the shape is given and has no dimension.
	Scalar bool

	typ   []byte // the type as it came, where it is no dense tensor
	extra []byte
}

// Dim is one extent: a number, or where Value is 0 and Param is set, a name. Both
// unset: unknown.
type Dim struct {
	Value int64
	Param string
}

// Known reports whether the extent is a number.
func (d Dim) Known() bool { return d.Param == "" && d.Value > 0 }

// Attr returns the attribute called name, nil where there is none.
func (n *Node) Attr(name string) *Attribute {
	for _, a := range n.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}
