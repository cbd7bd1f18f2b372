package model

import (
	"fmt"

	"bcc/fault"
	"bcc/onnx"
)

// fits proves that a network takes and gives what the card says, as far as its
// file tells: one picture in, one row a picture out.
func (c *Card) fits(data []byte) error {
	m, err := onnx.Unmarshal(data)
	if err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return err
	}
	in, err := input(m.Graph, c.Input.Name)
	if err == nil {
		err = c.fitsInput(in)
	}
	out, outErr := c.row(m.Graph)
	if outErr == nil {
		outErr = c.fitsOutput(out)
	}
	return join([]error{err, outErr})
}

// row returns the output that gives a row a patch: a classifier's probabilities, an
// encoder's embedding.
func (c *Card) row(g *onnx.Graph) (*onnx.ValueInfo, error) {
	if c.Kind == PatchClassifier {
		return output(g, c.Output.Name)
	}
	return c.embedding(g)
}

// input returns the one input that the caller must give: some files list their
// constants among the inputs as well.
func input(g *onnx.Graph, name string) (*onnx.ValueInfo, error) {
	constant := map[string]bool{}
	for _, t := range g.Initializers {
		constant[t.Name] = true
	}
	var free []*onnx.ValueInfo
	for _, v := range g.Inputs {
		if !constant[v.Name] {
			free = append(free, v)
		}
	}
	if len(free) != 1 {
		return nil, fault.New(fault.Unsupported, "the network has %d inputs, want one", len(free))
	}
	if name != "" && free[0].Name != name {
		return nil, fault.New(fault.Invalid, "the network's input is called %.40q, not %.40q", free[0].Name, name)
	}
	return free[0], nil
}

func output(g *onnx.Graph, name string) (*onnx.ValueInfo, error) {
	for _, v := range g.Outputs {
		if name == "" || v.Name == name {
			return v, nil
		}
	}
	return nil, fault.New(fault.Invalid, "card: output.name: the network has no output %.40q", name)
}

func (c *Card) fitsInput(v *onnx.ValueInfo) error {
	if v.Type != onnx.Float32 {
		return fault.Hint(fault.New(fault.Unsupported, "input %.40q: element type %d, want float32", v.Name, v.Type),
			"export the network with a float32 input")
	}
	if v.Shape == nil && !v.Scalar {
		return nil // the file does not tell
	}
	if len(v.Shape) != 4 {
		return fault.New(fault.Invalid, "input %.40q: %d dimensions, want a batch of pictures (4)", v.Name, len(v.Shape))
	}
	channel, row := 1, 2
	if c.Input.Layout == NHWC {
		channel, row = 3, 1
	}
	px := int64(c.InputPx())
	var problems []error
	if d := v.Shape[channel]; d.Known() && d.Value != 3 {
		err := fault.New(fault.Invalid, "input %.40q: %d channels, want 3 (layout %s)", v.Name, d.Value, c.Input.Layout)
		if v.Shape[4-channel].Value == 3 { // the other layout's place
			err = fault.Hint(err, `the network seems to take the other layout: set "input": {"layout": ...} in %s`, CardFile)
		}
		problems = append(problems, err)
	}
	for _, d := range v.Shape[row : row+2] {
		if d.Known() && d.Value != px {
			problems = append(problems, fault.New(fault.Invalid, "input %.40q: a side of %d px, the card says %d", v.Name, d.Value, px))
		}
	}
	return join(problems)
}

func (c *Card) fitsOutput(v *onnx.ValueInfo) error {
	if v.Type != onnx.Float32 {
		return fault.New(fault.Unsupported, "output %.40q: element type %d, want float32", v.Name, v.Type)
	}
	if v.Shape == nil && !v.Scalar {
		return nil
	}
	if len(v.Shape) == 0 {
		return fault.New(fault.Invalid, "output %.40q: one number for a whole batch", v.Name)
	}
	width := int64(1)
	for _, d := range v.Shape[1:] { // (batch) is one number a patch; (batch, n, 1, 1) is a row of n
		if !d.Known() {
			return nil
		}
		if d.Value > maxClasses || width*d.Value > maxClasses {
			return fault.New(fault.Invalid, "output %.40q: more than %d numbers a patch", v.Name, maxClasses)
		}
		width *= d.Value
	}
	want := int64(c.NumClasses)
	if c.Kind != PatchClassifier && want == 0 || width == want {
		return nil
	}
	if c.Kind == PatchClassifier && width == 1 && want <= 2 {
		return nil // the positive class alone
	}
	if c.Kind == SlideHead {
		return nil // num_classes is the head's; model.onnx gives embeddings
	}
	return fault.New(fault.Invalid, "output %.40q: %w", v.Name, fmt.Errorf("%d numbers a patch, the card says %d classes", width, want))
}
