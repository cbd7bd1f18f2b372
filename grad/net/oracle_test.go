//go:build oracle

package net_test

import (
	"testing"

	"bcc/grad/gradtest"
	"bcc/grad/net"
)

const torchMIL = `
h = F.linear(input, project_weight, project_bias).relu()
s = F.linear(F.linear(h, tanh_weight, tanh_bias).tanh() * F.linear(h, gate_weight, gate_bias).sigmoid(), attend_weight)
a = s.squeeze(2).masked_fill(mask == 0, float("-inf")).softmax(1)
logits = F.linear((a.unsqueeze(2) * h).sum(1), head_weight, head_bias)
`

// Run with -tags oracle; it needs Debian's python3-torch.
func TestPyTorchFindsTheSameGradientsOfTheSlideHead(t *testing.T) {
	t.Parallel()
	p, err := net.TrainMIL(small, 1)
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.BuildMIL(small)
	if err != nil {
		t.Fatal(err)
	}
	gradtest.AskPyTorch(t, []gradtest.Question{{
		Name: "slide head", Program: p, Flat: gradtest.Widen(n.Weights.Params), Inputs: bags(1), Setup: torchMIL,
		Torch: "-((logits.log_softmax(1) * target).sum(1) * weight).sum()", Weights: []float64{1},
	}})
}
