package onnx

import (
	"errors"
	"fmt"

	"bcc/fault"
)

// MaxOpset is the newest standard operator set that the engine in use speaks
// (measured on ONNX Runtime 1.30).
const MaxOpset = 26

// Check proves what an engine relies on: a known operator set, every name given
// once and before its use, every constant as long as its shape says and inside the
// file, every output made by something. All problems are reported at once, as
// fault.Corrupt, or fault.Unsupported where the model is whole but needs what we
// do not have: a newer operator set, or weights in other files.
func (m *Model) Check() error {
	if m.Graph == nil {
		return fault.New(fault.Corrupt, "check onnx model: no graph")
	}
	c := &checker{}
	opset := m.Opset()
	if opset <= 0 {
		c.addf("the standard operator set has no version")
	}
	c.graph(m.Graph, nil)
	if len(c.problems) > 0 {
		return fault.New(fault.Corrupt, "check onnx model: %w", errors.Join(c.problems...))
	}
	if c.external > 0 {
		return fault.Hint(fault.New(fault.Unsupported, "check onnx model: %d tensors lie in other files", c.external),
			"save the model again with its weights inside")
	}
	if opset > MaxOpset {
		return fault.Hint(fault.New(fault.Unsupported, "check onnx model: operator set %d is newer than %d", opset, MaxOpset),
			"export the model for operator set %d or older", MaxOpset)
	}
	return nil
}

// Opset returns the version of the standard operators, 0 where none is named.
func (m *Model) Opset() int64 {
	for _, o := range m.Opsets {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			return o.Version
		}
	}
	return 0
}

// maxProblems keeps a hostile file from a report as long as itself.
const maxProblems = 20

type checker struct {
	problems []error
	external int
}

func (c *checker) addf(format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Errorf(format, args...))
	}
}

// scope is the names that a graph can see: its own and those around it.
type scope struct {
	names map[string]bool
	outer *scope
}

func (s *scope) sees(name string) bool {
	for ; s != nil; s = s.outer {
		if s.names[name] {
			return true
		}
	}
	return false
}

func (c *checker) graph(g *Graph, outer *scope) {
	s := &scope{names: map[string]bool{}, outer: outer}
	for _, v := range g.Inputs {
		if v.Name == "" || s.names[v.Name] {
			c.addf("input %q has no name or comes twice", v.Name)
		}
		s.names[v.Name] = true
	}
	constants := map[string]bool{}
	for _, t := range g.Initializers {
		if t.Name == "" || constants[t.Name] {
			c.addf("constant %q has no name or comes twice", t.Name)
		}
		constants[t.Name] = true
		s.names[t.Name] = true // may also stand among the inputs: then it is a default
		c.tensor(t)
	}
	for i, n := range g.Nodes {
		c.node(i, n, s)
	}
	if len(g.Outputs) == 0 {
		c.addf("graph %q has no output", g.Name)
	}
	for _, v := range g.Outputs {
		if !s.sees(v.Name) {
			c.addf("output %q is made by no node", v.Name)
		}
	}
}

func (c *checker) node(i int, n *Node, s *scope) {
	if n.Op == "" {
		c.addf("node %d (%q) names no operator", i, n.Name)
	}
	for _, in := range n.Inputs {
		if in != "" && !s.sees(in) {
			c.addf("node %d (%s): input %q is not defined before it", i, n.Op, in)
		}
	}
	for _, a := range n.Attributes {
		if a.Tensor != nil {
			c.tensor(a.Tensor)
		}
		if a.Graph != nil {
			c.graph(a.Graph, s)
		}
	}
	for _, out := range n.Outputs {
		if out == "" { // an optional output left out
			continue
		}
		if s.names[out] {
			c.addf("node %d (%s): %q is defined twice", i, n.Op, out)
		}
		s.names[out] = true
	}
}

func (c *checker) tensor(t *Tensor) {
	if t.External {
		c.external++
		return
	}
	n, err := t.Len()
	if err != nil {
		c.addf("constant %q: %w", t.Name, err)
		return
	}
	if w := t.Type.width(); t.Raw != nil && w > 0 && int64(len(t.Raw)) != n*w {
		c.addf("constant %q: %d bytes, want %d for %v", t.Name, len(t.Raw), n*w, t.Dims)
	}
	if t.Raw == nil && t.Type == Float32 && n > 0 {
		if b, err := t.packed(tensorFloats); err != nil || int64(len(b)) != 4*n {
			c.addf("constant %q: %d bytes, want %d for %v", t.Name, len(b), 4*n, t.Dims)
		}
	}
}
