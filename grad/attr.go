package grad

import "bcc/onnx"

func intAttr(name string, v int) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInt, Int: int64(v)}
}

func intsAttr(name string, v ...int) *onnx.Attribute {
	wide := make([]int64, len(v))
	for i, x := range v {
		wide[i] = int64(x)
	}
	return &onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: wide}
}

func floatAttr(name string, v float32) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrFloat, Float: v}
}

func (c call) find(name string) *onnx.Attribute {
	for _, a := range c.attrs {
		if a.Name == name {
			return a
		}
	}
	return nil
}

func (c call) int(name string, def int) int {
	if a := c.find(name); a != nil {
		return int(a.Int)
	}
	return def
}

func (c call) ints(name string) []int {
	a := c.find(name)
	if a == nil {
		return nil
	}
	narrow := make([]int, len(a.Ints))
	for i, v := range a.Ints {
		narrow[i] = int(v)
	}
	return narrow
}
