package cli

import (
	"context"
	"io"
	"math/rand/v2"
	"strconv"

	"bcc/augment"
	"bcc/dataset"
	"bcc/fault"
	"bcc/grad"
	"bcc/grad/net"
	"bcc/model"
	"bcc/train"
)

// openPatches prepares the training of a patch classifier.
func (f *trainFlags) openPatches(ctx context.Context, kind string, notes io.Writer) (*trainTask, error) {
	template, err := f.template()
	if err != nil {
		return nil, err
	}
	if kind == kindCobra {
		return nil, fault.Hint(noOutlines(f.data), "--task slide learns from such labels; --dataset slides reads a labels.csv in the same folder")
	}
	n, err := net.Describe(f.arch, net.Config{}) // for its normalisation alone
	if err != nil {
		return nil, err
	}
	changes, err := augmentation(f.augment)
	if err != nil {
		return nil, err
	}
	if kind == kindSlides {
		return f.openHarvest(ctx, template, n, changes, notes)
	}
	tiles, err := dataset.OpenTiles(ctx, f.data, dataset.TilesConfig{Positive: f.positive, Mean: n.Mean, Std: n.Std, Augment: changes})
	if err != nil {
		return nil, err
	}
	card, err := f.patchCard(template, tiles.Classes(), tiles.Px(), n)
	if err != nil {
		return nil, err
	}
	data := trainData{
		Name: nameOf(f.data), Kind: kind, Classes: tiles.Classes(), Digest: tiles.Digest(), Summary: tiles.Summary(), Notes: tiles.Notes(),
		Splits: map[string]splitCount{},
	}
	for _, name := range []string{dataset.Train, dataset.Val, dataset.Test} {
		data.Splits[name] = count(tiles.Split(name), tiles.Classes())
	}
	return f.patchTask(card, n, tiles.Px(), tiles.Split(dataset.Train), tiles.Split(dataset.Val), data)
}

// patchTask puts a network, its program and the data together.
func (f *trainFlags) patchTask(card model.Card, n *net.Net, px int, learn, val pictures, data trainData) (*trainTask, error) {
	c := net.Config{Classes: card.NumClasses, PatchPx: px, Seed: f.seed, Dropout: float32(f.dropout), Standardise: f.standardise}
	deployed, err := net.Build(f.arch, c)
	if err != nil {
		return nil, err
	}
	c.Batch = f.micro
	program, err := net.Train(f.arch, c, programStages)
	if err != nil {
		return nil, err
	}
	t := &trainTask{
		program: program, weights: deployed.Weights, train: learn, val: val, data: data, classes: card.NumClasses,
		facts: append(f.facts(data, card), train.Fact{Name: "augmentation", Value: f.augment},
			train.Fact{Name: "standardised", Value: strconv.FormatBool(f.standardise)}),
	}
	t.bundle = func(w grad.Weights) (model.Card, map[string][]byte, error) {
		m, err := deployed.Graph.Deploy(w)
		if err != nil {
			return card, nil, err
		}
		return card, map[string][]byte{model.ModelFile: m.Marshal()}, nil
	}
	t.logits = func(ctx context.Context, w grad.Weights, lo, hi int, out []float32) error {
		card, files, err := t.bundle(w)
		if err != nil {
			return err
		}
		b, err := model.Make(card, files)
		if err != nil {
			return err
		}
		return f.scorePictures(ctx, b, val, lo, hi, out)
	}
	return t, nil
}

// scorePictures runs the model in use over samples lo to hi-1.
func (f *trainFlags) scorePictures(ctx context.Context, b *model.Bundle, s pictures, lo, hi int, out []float32) (err error) {
	e, err := startEngine(ctx, b, engineFlags{device: deviceHere(f.device), enginePath: f.enginePath}, io.Discard)
	if err != nil {
		return err
	}
	defer func() {
		if closed := e.Close(); err == nil {
			err = closed
		}
	}()
	return scorePictures(ctx, e, s, lo, hi, out, nil)
}

// augmentation returns what changes patches, nil for none.
func augmentation(level string) (dataset.Augment, error) {
	cfg, err := augment.Of(augment.Level(level))
	if err != nil || level == string(augment.None) {
		return nil, err
	}
	a, err := augment.New(cfg)
	if err != nil {
		return nil, err
	}
	return func(rng *rand.Rand, dst, src []byte, px int) { a.Apply(rng, dst, src, px) }, nil
}
