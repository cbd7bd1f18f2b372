package cli

import (
	"context"
	"fmt"
	"math"

	"bcc/detect"
	"bcc/fault"
	"bcc/model"
	"bcc/native/ort"
)

var _ detect.Head = (*slideHead)(nil)

// slideHead is a bundle's head.onnx in the engine. It always runs on the CPU: it is
// asked once a slide, and takes milliseconds.
type slideHead struct {
	graph *ort.Graph
	card  *model.Card
}

// openHead opens the head of the bundle that the engine runs, which closes it.
func (e *engine) openHead(b *model.Bundle) (*slideHead, error) {
	h, err := newSlideHead(b)
	e.head = h
	return h, err
}

// newSlideHead opens the head of a bundle; the engine must have been loaded, and the
// caller closes it.
func newSlideHead(b *model.Bundle) (*slideHead, error) {
	g, err := ort.OpenGraph([][]byte{b.Head}, ort.GraphConfig{Device: "cpu"})
	if err != nil {
		return nil, fmt.Errorf("model %s: %s: %w", b.Card.Name, model.HeadFile, err)
	}
	return &slideHead{graph: g, card: &b.Card}, nil
}

// Score returns the slide's calibrated probability of BCC and the attention of each
// of its n patches.
func (h *slideHead) Score(ctx context.Context, embeddings []float32, n int) (float32, []float32, error) {
	in := ort.Tensor{Name: model.HeadInput, Shape: []int64{int64(n), int64(len(embeddings) / n)}, Data: embeddings}
	out, err := h.graph.Eval(ctx, []ort.Tensor{in}, []string{h.card.HeadOutputName(), model.HeadAttention})
	if err != nil {
		return 0, nil, fmt.Errorf("model %s: %s: %w", h.card.Name, model.HeadFile, err)
	}
	score := h.card.Probability(out[0].Data)
	if math.IsNaN(float64(score)) {
		return 0, nil, fault.New(fault.Corrupt, "model %s: %s gave %v for a slide of %d patches", h.card.Name, model.HeadFile, out[0].Data, n)
	}
	return score, out[1].Data, nil
}

// close frees the head; a nil head has nothing to free.
func (h *slideHead) close() error {
	if h == nil {
		return nil
	}
	return h.graph.Close()
}
