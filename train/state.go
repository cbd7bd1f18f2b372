package train

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"time"

	"bcc/grad"
)

// state is all that training changes: what a checkpoint holds.
type state struct {
	Epoch   int     `json:"epoch"` // of the next step
	Step    int     `json:"step"`  // of the epoch, the next
	Steps   int     `json:"steps"` // taken in all
	Partial partial `json:"partial"`
	History []Epoch `json:"history"`
	Best    int     `json:"best"` // in History, -1: none

	weights grad.Weights // Params is the machine's memory
	opt     *adamW
	best    grad.Weights // nil: none
}

// Epoch is a line of the history.
type Epoch struct {
	Epoch      int     `json:"epoch"` // from 0
	Steps      int     `json:"steps"` // taken in all at its end
	Loss       float64 `json:"loss"`  // mean over the epoch's samples, as trained: augmented, weighted
	Validation Metrics `json:"validation"`
	Rate       float64 `json:"rate"`    // of its last step
	Samples    int     `json:"samples"` // computed
	Seconds    float64 `json:"seconds"` // in its steps
	Best       bool    `json:"best"`    // the best until then
}

// partial is the sums of an epoch so far.
type partial struct {
	Loss    float64 `json:"loss"` // times samples
	Samples int     `json:"samples"`
	Seconds float64 `json:"seconds"`
}

func (p *partial) add(loss float64, samples int, took time.Duration) {
	p.Loss += float64(loss * float64(samples))
	p.Samples += samples
	p.Seconds += took.Seconds()
}

func (p partial) epoch(epoch, steps int) Epoch {
	return Epoch{Epoch: epoch, Steps: steps, Loss: p.Loss / float64(p.Samples), Samples: p.Samples, Seconds: p.Seconds}
}

// firstState puts the first weights where the machine reads them.
func firstState(first grad.Weights, params []float32, opt *adamW) state {
	copy(params, first.Params)
	return state{Best: -1, opt: opt, weights: grad.Weights{Params: params, State: slices.Clone(first.State)}}
}

// better reports whether an epoch with these figures is the best so far. A figure
// that is no number is never better, but the first epoch is.
func (s *state) better(by Criterion, m Metrics) bool {
	if s.Best < 0 {
		return true
	}
	b := s.History[s.Best].Validation
	if by == ByAUROC && m.AUROC != b.AUROC {
		return m.AUROC > b.AUROC || math.IsNaN(b.AUROC) && !math.IsNaN(m.AUROC)
	}
	return m.Loss < b.Loss || math.IsNaN(b.Loss) && !math.IsNaN(m.Loss)
}

// end closes an epoch.
func (s *state) end(e Epoch, best bool) {
	e.Best = best
	s.History = append(s.History, e)
	if best {
		s.Best = len(s.History) - 1
		s.best = grad.Weights{Params: slices.Clone(s.weights.Params), State: slices.Clone(s.weights.State)}
	}
	s.Epoch, s.Step, s.Partial = s.Epoch+1, 0, partial{}
}

// stopped reports whether patience is at its end.
func (s *state) stopped(c Config) bool {
	return c.Patience > 0 && s.Best >= 0 && len(s.History)-1-s.Best >= c.Patience
}

// bestWeights returns a copy of the best weights, or the present ones before there
// are any.
func (s *state) bestWeights() grad.Weights {
	w := s.best
	if s.Best < 0 {
		w = s.weights
	}
	return grad.Weights{Params: slices.Clone(w.Params), State: slices.Clone(w.State)}
}

// floats lists all that is saved of the state beside its JSON.
func (s *state) floats() [][]float32 {
	all := [][]float32{s.weights.Params, s.weights.State, s.opt.m, s.opt.v}
	if s.Best >= 0 {
		all = append(all, s.best.Params, s.best.State)
	}
	return all
}

// digest names the weights.
func (s *state) digest() string {
	h := crc32.New(castagnoli)
	for _, list := range [][]float32{s.weights.Params, s.weights.State} {
		_ = writeFloats(h, list) // a hash takes everything
	}
	return strconv.FormatUint(uint64(h.Sum32()), 16)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// metricsJSON has null for what could not be measured: JSON knows no NaN.
type metricsJSON struct {
	Loss  *float64 `json:"loss"`
	AUROC *float64 `json:"auroc"`
}

// MarshalJSON writes null for a figure that is no number.
func (m Metrics) MarshalJSON() ([]byte, error) {
	return json.Marshal(metricsJSON{finite(m.Loss), finite(m.AUROC)})
}

// UnmarshalJSON reads null as NaN.
func (m *Metrics) UnmarshalJSON(data []byte) error {
	var j metricsJSON
	err := json.Unmarshal(data, &j)
	m.Loss, m.AUROC = math.NaN(), math.NaN()
	if j.Loss != nil {
		m.Loss = *j.Loss
	}
	if j.AUROC != nil {
		m.AUROC = *j.AUROC
	}
	return err
}

func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
