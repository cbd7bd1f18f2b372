package model

import (
	"slices"

	"bcc/fault"
	"bcc/onnx"
)

// Names of what goes in and out of head.onnx.
const (
	HeadInput     = "embeddings" // (patches, width), in grid order
	HeadOutput    = "output"     // (1, num_classes), or (1, 1) for the positive class alone; the card's output.name goes before
	HeadAttention = "attention"  // (patches, 1), at least 0, summing to 1
)

// HeadOutputName returns the name of the head's output.
func (c *Card) HeadOutputName() string {
	if c.Output.Name != "" {
		return c.Output.Name
	}
	return HeadOutput
}

// fitsHead proves that a slide head takes the encoder's embeddings and gives what
// the card says, as far as its file tells.
func (c *Card) fitsHead(data []byte, width int64) error {
	m, err := onnx.Unmarshal(data)
	if err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return err
	}
	in, err := input(m.Graph, HeadInput)
	problems := []error{err}
	if err == nil {
		problems = append(problems, matrix("input", in, -1, width))
	}
	classes := int64(c.NumClasses)
	for _, want := range []struct {
		name          string
		rows, columns int64
	}{{c.HeadOutputName(), 1, classes}, {HeadAttention, -1, 1}} {
		i := slices.IndexFunc(m.Graph.Outputs, func(v *onnx.ValueInfo) bool { return v.Name == want.name })
		if i < 0 {
			problems = append(problems, fault.New(fault.Invalid, "the head has no output %.40q", want.name))
			continue
		}
		v := m.Graph.Outputs[i]
		if len(v.Shape) == 2 && v.Shape[1].Value == 1 {
			want.columns = 1 // the positive class alone
		}
		problems = append(problems, matrix("output", v, want.rows, want.columns))
	}
	return join(problems)
}

// matrix refuses a value that is not of float32, or not of so many rows and
// columns where both the file and the caller (-1: he does not) know them.
func matrix(what string, v *onnx.ValueInfo, rows, columns int64) error {
	if v.Type != onnx.Float32 {
		return fault.New(fault.Unsupported, "%s %.40q: element type %d, want float32", what, v.Name, v.Type)
	}
	if v.Shape == nil && !v.Scalar {
		return nil
	}
	if len(v.Shape) != 2 {
		return fault.New(fault.Invalid, "%s %.40q: %d dimensions, want 2", what, v.Name, len(v.Shape))
	}
	for i, want := range []int64{rows, columns} {
		if d := v.Shape[i]; want > 0 && d.Known() && d.Value != want {
			return fault.New(fault.Invalid, "%s %.40q: %d %s, want %d", what, v.Name, d.Value, [...]string{"rows", "columns"}[i], want)
		}
	}
	if d := v.Shape[0]; rows < 0 && d.Known() {
		return fault.New(fault.Invalid, "%s %.40q: made for %d patches, want an open number", what, v.Name, d.Value)
	}
	return nil
}
