//go:build oracle

package grad_test

import (
	"testing"

	"bcc/grad/gradtest"
)

// Run with -tags oracle; it needs Debian's python3-torch.
func TestPyTorchFindsTheSameGradients(t *testing.T) {
	t.Parallel()
	var questions []gradtest.Question
	for _, c := range gradtest.Cases() {
		p, inputs, params, err := c.Program(1)
		if err != nil {
			t.Fatal(err)
		}
		weights := gradtest.Widen(gradtest.Weights(c.Len()))
		questions = append(questions, gradtest.Question{Name: c.Name, Program: p, Flat: params, Inputs: inputs, Torch: c.Torch, Weights: weights})
	}
	gradtest.AskPyTorch(t, questions)
}
