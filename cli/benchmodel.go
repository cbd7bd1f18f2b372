package cli

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bcc/fault"
	"bcc/grad/net"
	"bcc/model"
)

func newBenchBundle(std Streams) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "bundle [flags] NETWORK",
		Short: "Write a network with random weights as a model folder, for bcc detect --model",
		Long:  "Networks: " + strings.Join(net.Names(), ", ") + ". Random weights: the answers mean nothing.",
		Args:  wants("network"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := writable(out); err != nil {
				return err
			}
			b, err := benchBundle(args[0])
			if err != nil {
				return err
			}
			if err := b.Save(out); err != nil {
				return err
			}
			_, err = fmt.Fprintf(std.Out, "%s: random weights, %d bytes; the answers mean nothing\n", filepath.ToSlash(out), len(b.ONNX))
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "bundle", "folder to write to")
	return cmd
}

// benchNet is how networks with random weights are built: the same ones each time.
var benchNet = net.Config{Seed: 1}

// benchBundle returns a network of the table with random weights, which cost the
// engine as much as trained ones, or the bundle of that name or folder.
func benchBundle(name string) (*model.Bundle, error) {
	if !slices.Contains(net.Names(), name) {
		f := engineFlags{model: name}
		b, err := f.bundle()
		if fault.Of(err) == fault.NotFound {
			err = fault.Hint(fault.New(fault.NotFound, "%w", err), "networks with random weights: %s", strings.Join(net.Names(), ", "))
		}
		return b, err
	}
	n, err := net.Build(name, benchNet)
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
