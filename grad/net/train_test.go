package net_test

import (
	"slices"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/grad"
	"bcc/grad/net"
)

func TestWhatHasNothingToLearnIsNotTrained(t *testing.T) {
	t.Parallel()
	_, err := net.Train("baseline", net.Config{}, 1)
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "nothing to learn") || !strings.Contains(fault.HintOf(err), "resnet18") {
		t.Errorf("%v (hint %q), want that it has nothing to learn, and what has", err, fault.HintOf(err))
	}
	if _, err := net.Train("alexnet", net.Config{}, 1); fault.Of(err) != fault.NotFound {
		t.Errorf("%v, want not found", err)
	}
}

func TestAProgramTrainsTheNetworkThatIsDeployed(t *testing.T) {
	t.Parallel()
	for _, name := range net.Names() {
		if name == "baseline" || testing.Short() && name != "mobilenetv3-small" {
			continue
		}
		c := net.Config{PatchPx: 64, Classes: 3, Batch: 2, Dropout: 0.2}
		p, err := net.Train(name, c, 4)
		if err != nil {
			t.Fatal(err)
		}
		n, err := net.Describe(name, c)
		if err != nil {
			t.Fatal(err)
		}
		same := func(a, b []grad.Param) bool {
			return slices.EqualFunc(a, b, func(p, q grad.Param) bool {
				return p.Name == q.Name && p.Offset == q.Offset && slices.Equal(p.Shape, q.Shape)
			})
		}
		if !same(p.Params, n.Graph.Params()) || !same(p.State, n.Graph.States()) {
			t.Errorf("%s: other parameters are trained than deployed", name)
		}
		for port, want := range map[string][]int{net.Input: {2, 3, 64, 64}, net.Target: {2, 3}, net.Weight: {2}} {
			if !slices.ContainsFunc(p.Inputs, func(q grad.Port) bool {
				return q.Name == port && slices.Equal(q.Shape, want) && q.Keep == 0
			}) {
				t.Errorf("%s: no input %s of %v among %v", name, port, want, p.Inputs)
			}
		}
		if !slices.ContainsFunc(p.Inputs, func(q grad.Port) bool { return q.Keep == 0.8 && q.Shape[0] == 2 }) {
			t.Errorf("%s: no noise among %v", name, p.Inputs)
		}
		if o := p.Outputs; len(o) != 2 || o[0].Name != grad.LossName || o[1].Name != net.Output || !slices.Equal(o[1].Shape, []int{2, 3}) {
			t.Errorf("%s: outputs %v", name, o)
		}
		var gradients, states []int
		for _, s := range p.Stages {
			if len(s.Gradients) == 0 {
				t.Errorf("%s: a stage without gradients", name)
			}
			gradients, states = append(gradients, s.Gradients...), append(states, s.States...)
		}
		once := func(v []int, n int) bool {
			slices.Sort(v)
			return len(v) == n && len(slices.Compact(v)) == n
		}
		if len(p.Stages) < 2 || len(p.Stages) > 4 || !once(gradients, len(p.Params)) || !once(states, len(p.State)) {
			t.Errorf("%s: %d stages give gradients %v and statistics %v", name, len(p.Stages), gradients, states)
		}
	}
}
