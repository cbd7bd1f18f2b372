package train_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"bcc/grad"
	"bcc/train"
)

// A network small enough to differentiate by hand: 4 numbers in, 6 hidden tanh
// units, 3 classes, in two stages as an engine would run it, and one state, the
// mean of the hidden units over the micro-batch.
const (
	dims, hidden, classes = 4, 6, 3
	w1, b1                = 0, dims * hidden
	w2                    = b1 + hidden
	b2                    = w2 + hidden*classes
	parameters            = b2 + classes
)

func program(micro int) *grad.Program {
	return &grad.Program{
		Stages: []grad.Stage{{Gradients: []int{2, 3}, States: []int{0}}, {Gradients: []int{0, 1}}},
		Inputs: []grad.Port{
			{Name: "input", Shape: grad.Shape{micro, dims}},
			{Name: train.TargetInput, Shape: grad.Shape{micro, classes}},
			{Name: train.WeightInput, Shape: grad.Shape{micro}},
			{Name: "drop", Shape: grad.Shape{micro, hidden}, Keep: 0.9},
		},
		Params: []grad.Param{
			{Name: "w1", Shape: grad.Shape{dims, hidden}, Offset: w1}, {Name: "b1", Shape: grad.Shape{hidden}, Offset: b1},
			{Name: "w2", Shape: grad.Shape{hidden, classes}, Offset: w2}, {Name: "b2", Shape: grad.Shape{classes}, Offset: b2},
		},
		State:   []grad.Param{{Name: "mean", Shape: grad.Shape{hidden}}},
		Outputs: []grad.Port{{Name: grad.LossName, Shape: grad.Shape{1}}, {Name: "output", Shape: grad.Shape{micro, classes}}},
	}
}

func firstWeights(seed uint64) grad.Weights {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := grad.Weights{Params: make([]float32, parameters), State: make([]float32, hidden)}
	for i := range w.Params {
		w.Params[i] = float32(rng.NormFloat64() / 2)
	}
	return w
}

// engine is the fake. Runs end in any order where slow is set, so that what depends
// on it shows.
type engine struct {
	slow   bool
	ran    func(stage int) // hears of every stage before it counts as done
	opened func(params []float32)
}

func (e engine) Open(p *grad.Program) (train.Machine, error) {
	m := &machine{engine: e, program: p, params: make([]float32, parameters)}
	if e.opened != nil {
		e.opened(m.params)
	}
	return m, nil
}

type machine struct {
	engine  engine
	program *grad.Program
	params  []float32
	mu      sync.Mutex
	open    int
}

func (m *machine) Params() []float32 { return m.params }

func (m *machine) Workers(wanted int) int { return wanted }

func (m *machine) Stepper() (train.Stepper, error) {
	s := &stepper{machine: m, memory: map[string][]float32{}, gradient: make([]float32, parameters), statistics: make([]float32, hidden)}
	for _, p := range append(m.program.Inputs, m.program.Outputs...) {
		s.memory[p.Name] = make([]float32, p.Shape.Len())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	return s, nil
}

func (m *machine) Close() error {
	if m.open != 0 {
		return fmt.Errorf("%d steppers are open", m.open)
	}
	return nil
}

type stepper struct {
	machine    *machine
	memory     map[string][]float32
	gradient   []float32
	statistics []float32
	runs       int
}

func (s *stepper) Input(name string) []float32  { return s.memory[name] }
func (s *stepper) Output(name string) []float32 { return s.memory[name] }
func (s *stepper) Gradient() []float32          { return s.gradient }
func (s *stepper) Statistics() []float32        { return s.statistics }

func (s *stepper) Close() error {
	s.machine.mu.Lock()
	defer s.machine.mu.Unlock()
	s.machine.open--
	return nil
}

func (s *stepper) Run(ctx context.Context, done func(stage int)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.runs++; s.machine.engine.slow {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond) // any order must do
	}
	p, g := s.machine.params, s.gradient
	x, target, weight, drop := s.memory["input"], s.memory[train.TargetInput], s.memory[train.WeightInput], s.memory["drop"]
	clear(g)
	clear(s.statistics)
	loss := float32(0)
	back := make([]float32, len(weight)*hidden)
	for r, w := range weight {
		var h [hidden]float32
		for j := range h {
			a := p[b1+j]
			for i := range dims {
				a += float32(x[r*dims+i] * p[w1+i*hidden+j])
			}
			h[j] = float32(math.Tanh(float64(a)))
			s.statistics[j] += h[j] / float32(len(weight))
		}
		var e [classes]float64
		sum := 0.0
		for c := range e {
			a := p[b2+c]
			for j := range h {
				a += float32(float32(h[j]*drop[r*hidden+j]) * p[w2+j*classes+c])
			}
			s.memory["output"][r*classes+c] = a
			e[c] = math.Exp(float64(a))
			sum += e[c]
		}
		for c := range e {
			q := e[c] / sum
			loss -= float32(float64(w*target[r*classes+c]) * math.Log(q))
			d := w * float32(q-float64(target[r*classes+c]))
			g[b2+c] += d
			for j := range h {
				g[w2+j*classes+c] += float32(d * float32(h[j]*drop[r*hidden+j]))
				back[r*hidden+j] += float32(float32(d*p[w2+j*classes+c]) * drop[r*hidden+j] * float32(1-float32(h[j]*h[j])))
			}
		}
	}
	s.memory[grad.LossName][0] = loss
	s.end(0, done)
	for r := range weight {
		for j := range hidden {
			g[b1+j] += back[r*hidden+j]
			for i := range dims {
				g[w1+i*hidden+j] += float32(back[r*hidden+j] * x[r*dims+i])
			}
		}
	}
	s.end(1, done)
	return nil
}

func (s *stepper) end(stage int, done func(int)) {
	if s.machine.engine.ran != nil {
		s.machine.engine.ran(stage)
	}
	done(stage)
}

// clouds are labelled points: three clouds, one a class, in groups of unequal size.
type clouds struct {
	n   int
	bad int // sample whose pixels are no numbers, -1: none
	err int // sample that cannot be read, -1: none

	mu   sync.Mutex
	read map[int]int // how often each sample was read
}

func newClouds(n int) *clouds { return &clouds{n: n, bad: -1, err: -1, read: map[int]int{}} }

func (c *clouds) Len() int           { return c.n }
func (c *clouds) Class(i int) int    { return []int{0, 0, 0, 1, 1, 2}[i%6] }
func (c *clouds) Group(i int) string { return fmt.Sprintf("block %d", i*i%7) }
func (c *clouds) Name(i int) string  { return fmt.Sprintf("point-%d", i) }

func (c *clouds) Read(_ context.Context, i int, rng *rand.Rand, dst func(string) []float32) error {
	c.mu.Lock()
	c.read[i]++
	c.mu.Unlock()
	if i == c.err {
		return fmt.Errorf("%s: the file is gone", c.Name(i))
	}
	own := rand.New(rand.NewPCG(7, uint64(i)))
	row := dst("input")
	for k := range row {
		row[k] = float32(own.NormFloat64())
		if rng != nil {
			row[k] += float32(rng.NormFloat64() / 8)
		}
	}
	row[c.Class(i)] += 2
	if i == c.bad {
		row[0] = float32(math.NaN())
	}
	return nil
}
