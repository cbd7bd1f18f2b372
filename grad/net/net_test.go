package net_test

import (
	"testing"

	"bcc/grad/net"
)

func TestItHasAsManyParametersAsPublished(t *testing.T) {
	t.Parallel()
	// Counts of the published networks with 1000 classes (torchvision's model table).
	for name, want := range map[string]int{
		"resnet18": 11689512, "resnet34": 21797672, "resnet50": 25557032, "mobilenetv3-small": 2542856,
	} {
		n, err := net.Build(name, net.Config{Classes: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(n.Weights.Params); got != want {
			t.Errorf("%s has %d parameters, want %d", name, got, want)
		}
	}
}
