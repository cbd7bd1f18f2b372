package grad

import (
	"fmt"
	"slices"

	"bcc/fault"
	"bcc/onnx"
)

// LossName is what the loss is called among a program's outputs.
const LossName = "loss"

// GradientName returns what the gradient by a parameter is called.
func GradientName(param string) string { return "gradient." + param }

// BatchName returns what the statistic of one micro-batch is called that a
// state tracks.
func BatchName(state string) string { return "batch." + state }

// Program is a graph that computes a loss and its gradient by every parameter,
// cut into stages that run one after the other: what a stage has computed can
// be sent to other machines while the next one runs.
type Program struct {
	Stages  []Stage
	Inputs  []Port  // what comes from outside, noise among it
	Params  []Param // each is an input under its own name; together one flat slice
	State   []Param // each comes out as BatchName(its name); together one flat slice
	Outputs []Port  // LossName first, then the graph's own outputs
}

// Stage is one model file. It takes inputs, parameters and values that earlier
// stages computed, all by name.
type Stage struct {
	Model     *onnx.Model
	Gradients []int // parameters whose gradient this stage gives, as GradientName(name) in the parameter's shape
	States    []int // state whose statistic this stage gives, as BatchName(name)
}

// Port is an input or output of a program.
type Port struct {
	Name  string
	Shape Shape
	// Keep marks noise where it is above 0: the caller fills the input with 1/Keep
	// with probability Keep, else with 0, anew for every run.
	Keep float32
}

// Program turns the graph into one that computes loss, a value of one element,
// the graph's outputs, and the gradient by every parameter, in as many stages as
// asked for where the graph has them. Batch norms work on their batch. The graph
// can be used no further.
func (g *Graph) Program(loss Value, stages int) (*Program, error) {
	for _, i := range g.inputs {
		if g.err == nil && g.values[i].Shape.Len() < 0 {
			g.fail("input %s of %v: a program has no open extents", g.values[i].name, g.values[i].Shape)
		}
	}
	states := g.train()
	grads := g.reverse(loss)
	if g.err != nil {
		return nil, g.err
	}
	p := &Program{Params: g.params.list, State: g.state.list}
	var finals []final
	own := func(name string, v Value, param, state int) {
		if g.err == nil && v.g == nil {
			g.fail("parameter %s does not reach the loss", name)
			return
		}
		if g.err == nil && (g.values[v.id-1].made < 0 || slices.ContainsFunc(finals, func(f final) bool { return f.v == v.id-1 })) {
			v = v.one("Identity", nil) // an output has a name of its own
		}
		if g.err == nil {
			finals = append(finals, final{output{name, v.id - 1}, param, state})
		}
	}
	own(LossName, loss, -1, -1)
	for _, o := range g.outputs {
		own(o.name, Value{g, o.v + 1}, -1, -1)
	}
	for _, f := range finals {
		p.Outputs = append(p.Outputs, Port{Name: f.name, Shape: g.values[f.v].Shape})
	}
	for i, s := range states {
		own(BatchName(p.State[i].Name), s, -1, i)
	}
	for i := range g.values {
		if b := g.values[i].block; b == &g.params {
			k := g.values[i].param
			own(GradientName(p.Params[k].Name), grads[i], k, -1)
		}
	}
	if g.err != nil {
		return nil, g.err
	}
	for _, i := range g.inputs {
		p.Inputs = append(p.Inputs, Port{g.values[i].name, g.values[i].Shape, g.values[i].keep})
	}
	for _, s := range g.cut(finals, stages) {
		if err := s.Model.Check(); err != nil {
			return nil, fault.New(fault.Of(err), "write program %s: %w", g.name, err)
		}
		p.Stages = append(p.Stages, s)
	}
	return p, nil
}

// final is an output of a program, and of what it is the gradient or statistic.
type final struct {
	output
	param, state int // -1: of none
}

// cut writes the graph in stages: a stage ends where its share of all gradients,
// counted in floats, has been computed. Gradients of the last layers come first.
func (g *Graph) cut(finals []final, stages int) []Stage {
	alive := g.alive(finals)
	size := make([]int, len(g.nodes)) // of the gradients that a node completes
	for _, f := range finals {
		if f.param >= 0 {
			size[g.values[f.v].made] += g.values[f.v].Shape.Len()
		}
	}
	at := make([]int, len(g.nodes)) // stage of each node
	done, stage, used := 0, 0, 0
	for n := range g.nodes {
		if !alive[n] {
			continue
		}
		at[n], used = stage, stage
		done += size[n]
		if size[n] > 0 && stage < stages-1 && done < g.params.len && done*stages >= g.params.len*(stage+1) {
			stage++
		}
	}
	out := make([]Stage, used+1)
	names := map[int]string{}
	for _, f := range finals {
		names[f.v] = f.name
	}
	for s := range out {
		out[s] = g.stage(s, at, alive, finals, names)
	}
	return out
}

// alive says of each node whether an output needs it.
func (g *Graph) alive(finals []final) []bool {
	alive := make([]bool, len(g.nodes))
	need := make([]bool, len(g.values))
	for _, f := range finals {
		need[f.v] = true
	}
	for n := len(g.nodes) - 1; n >= 0; n-- {
		for _, o := range g.nodes[n].out {
			alive[n] = alive[n] || need[o]
		}
		for _, i := range g.nodes[n].in {
			if alive[n] && i >= 0 {
				need[i] = true
			}
		}
	}
	return alive
}

// stage writes the nodes of one stage as a model.
func (g *Graph) stage(s int, at []int, alive []bool, finals []final, names map[int]string) Stage {
	wr := &writer{g: g, out: &onnx.Graph{Name: fmt.Sprintf("%s.%d", g.name, s)}, written: map[int]bool{}, alias: names, training: true, read: g.read(alive)}
	for n, node := range g.nodes {
		if alive[n] && at[n] == s {
			wr.node(node)
		}
	}
	in, out := make([]bool, len(g.values)), make([]bool, len(g.values))
	for n, node := range g.nodes {
		for _, i := range node.in {
			if i < 0 || !alive[n] {
				continue
			}
			made := g.values[i].made
			in[i] = in[i] || at[n] == s && (made >= 0 && at[made] < s || made < 0 && g.outside(i))
			out[i] = out[i] || made >= 0 && at[made] == s && at[n] > s
		}
	}
	st := Stage{Model: &onnx.Model{IRVersion: irVersion, Opsets: []onnx.Opset{{Version: Opset}}, Producer: "bcc", Graph: wr.out}}
	for _, f := range finals {
		if at[g.values[f.v].made] != s {
			continue
		}
		out[f.v] = true
		if f.param >= 0 {
			st.Gradients = append(st.Gradients, f.param)
		}
		if f.state >= 0 {
			st.States = append(st.States, f.state)
		}
	}
	for i := range g.values {
		if in[i] {
			wr.out.Inputs = append(wr.out.Inputs, info(wr.name(i), g.values[i].Type))
		}
		if out[i] {
			wr.out.Outputs = append(wr.out.Outputs, info(wr.name(i), g.values[i].Type))
		}
	}
	return st
}

// outside reports whether a value that no operator makes comes as an input: all
// but constants and state, which a program reads nowhere.
func (g *Graph) outside(i int) bool {
	return g.values[i].floats == nil && g.values[i].ints == nil
}
