//go:build cgo

package ort

import (
	"fmt"
	"math"
	"math/rand/v2"

	engine "github.com/yalue/onnxruntime_go"

	"bcc/fault"
)

// try runs the model on batches of one picture repeated: it learns the shape of
// the output, and whether a patch gets the same bits in every place of a batch.
// Mostly it does. But the engine's vector loops begin at a multiple of 16 floats,
// so where a plane of activations has another size (17x17, say) a patch's sums are
// ordered by the place it lies in. Then, on the CPU, where answers are promised to
// the bit, batches of one are run.
func (m *Model) try() error {
	m.prime()
	even, err := m.repeat()
	if err != nil {
		return fault.New(fault.Unsupported, "try model on %s with input %v: %w", m.info.Device, m.info.shape(), cause(err))
	}
	if m.info.Device != cpu {
		return nil
	}
	if even {
		m.alone = m.info.Batch > 1 && m.sameAlone()
		return nil
	}
	was := m.info.Batch
	m.info.Batch = 1
	if _, err := m.repeat(); err != nil {
		m.info.Batch = was // fixed by the model
		m.info.Note = fmt.Sprintf("the model's last bits depend on a patch's place in its fixed batch of %d", was)
		_, err := m.repeat()
		return err
	}
	m.info.Note = fmt.Sprintf("batches of 1 are run instead of %d: the model's last bits depend on a patch's place in the batch", was)
	return nil
}

// prime runs one picture, where the batch is open: the engine never gives back the
// first piece of memory that it takes (Model.Shrink), and that of a batch is large.
func (m *Model) prime() {
	was, shape := m.info.Batch, m.outShape
	defer func() { m.info.Batch, m.outShape = was, shape }()
	m.info.Batch = 1
	in, err := engine.NewEmptyTensor[float32](engine.NewShape(m.info.shape()...))
	if err != nil {
		return
	}
	defer in.Destroy()
	_, _ = m.rows(in) // what is wrong with the model is found next
}

// repeat runs two batches, each of one picture in every place, sets what is known
// of the output, and reports whether all rows of a batch are the same.
func (m *Model) repeat() (even bool, err error) {
	m.tried = nil
	in, err := engine.NewEmptyTensor[float32](engine.NewShape(m.info.shape()...))
	if err != nil {
		return false, err
	}
	defer in.Destroy()
	rng := rand.New(rand.NewPCG(1, 2))
	even = true
	for _, spread := range spreads {
		m.picture(in.GetData(), rng, spread)
		rows, err := m.rows(in)
		if err != nil {
			return false, err
		}
		for i, v := range rows {
			even = even && math.Float32bits(v) == math.Float32bits(rows[i%m.info.Outputs])
		}
		m.tried = append(m.tried, rows[:m.info.Outputs])
	}
	return even, nil
}

// spreads are the ranges of the pictures tried: noise, and the narrow range of real
// tissue.
var spreads = []int{256, 40}

// picture fills data with one picture in every place.
func (m *Model) picture(data []float32, rng *rand.Rand, spread int) {
	one := data[:m.info.pictureValues()]
	for i := range one {
		c := i % 3
		if m.info.Layout == NCHW {
			c = i / (len(one) / 3)
		}
		one[i] = float32(255-rng.IntN(spread))*m.scale[c] + m.bias[c]
	}
	for i := len(one); i < len(data); i += len(one) {
		copy(data[i:], one)
	}
}

// sameAlone reports whether a patch run by itself gets the bits that it gets in a
// batch: then a lone one need not pay for the places beside it. A model whose batch
// is fixed cannot.
func (m *Model) sameAlone() bool {
	was, shape := m.info.Batch, m.outShape
	defer func() { m.info.Batch, m.outShape = was, shape }()
	m.info.Batch = 1
	in, err := engine.NewEmptyTensor[float32](engine.NewShape(m.info.shape()...))
	if err != nil {
		return false
	}
	defer in.Destroy()
	rng := rand.New(rand.NewPCG(1, 2))
	for k, spread := range spreads {
		m.picture(in.GetData(), rng, spread)
		row, err := m.rows(in)
		if err != nil || len(row) != len(m.tried[k]) {
			return false
		}
		for i, v := range row {
			if math.Float32bits(v) != math.Float32bits(m.tried[k][i]) {
				return false
			}
		}
	}
	m.outShapeAlone = m.outShape
	return true
}

// rows runs one batch and returns its outputs.
func (m *Model) rows(in engine.Value) ([]float32, error) {
	out := []engine.Value{nil} // the engine makes it, and so says its shape
	if err := m.session.Run([]engine.Value{in}, out); err != nil {
		return nil, err
	}
	defer out[0].Destroy()
	t, ok := out[0].(*engine.Tensor[float32])
	if !ok {
		return nil, fmt.Errorf("output %q is no float32 tensor", m.info.Output)
	}
	shape, data := t.GetShape(), t.GetData()
	if len(shape) == 0 || shape[0] != int64(m.info.Batch) || len(data) == 0 {
		return nil, fmt.Errorf("output %q has shape %v, want %d rows", m.info.Output, shape, m.info.Batch)
	}
	if n := len(data) / m.info.Batch; n > maxOutputs {
		return nil, fmt.Errorf("output %q has %d values a patch, more than %d", m.info.Output, n, maxOutputs)
	}
	for _, v := range data {
		if v != v {
			return nil, fmt.Errorf("output %q is not a number for an ordinary picture", m.info.Output)
		}
	}
	m.outShape = shape
	m.info.Outputs = len(data) / m.info.Batch
	return append([]float32(nil), data...), nil
}
