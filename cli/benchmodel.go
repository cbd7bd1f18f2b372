package cli

import (
	"fmt"
	"slices"

	"bcc/grad/net"
	"bcc/model"
)

// benchBundle returns a network of the table with random weights, which cost the
// engine as much as trained ones, or the bundle of that name or folder.
func benchBundle(name string) (*model.Bundle, error) {
	if !slices.Contains(net.Names(), name) {
		f := engineFlags{model: name}
		return f.bundle()
	}
	n, err := net.Build(name, net.Config{Seed: 1})
	if err != nil {
		return nil, err
	}
	m, err := n.Model()
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", name, err)
	}
	return model.New(randomCard(n), m.Marshal())
}

// randomCard describes a network that has learned nothing.
func randomCard(n *net.Net) model.Card {
	c := model.Card{
		NumClasses: n.Classes, ClassNames: []string{"Non-malignant", "BCC"},
		PatchSizePixels: n.PatchPx, SpacingUMPx: 0.5,
		Name: n.Name + "-random", Version: "0", Kind: model.PatchClassifier,
		Description: "random weights, for measuring speed only",
		Output:      model.Output{Type: model.Logits},
		Transform: []model.Transform{{Name: "ToTensor"}, {Name: "Normalize", Arguments: &model.TransformArgs{
			Mean: widen(n.Mean), Std: widen(n.Std),
		}}},
	}
	if n.Probabilities {
		c.Output.Type = model.Probabilities
	}
	return c
}

func widen(v [3]float32) []float64 {
	return []float64{float64(v[0]), float64(v[1]), float64(v[2])}
}
