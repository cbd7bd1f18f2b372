package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"bcc/bag"
	"bcc/dataset"
	"bcc/fault"
	"bcc/grad"
	"bcc/grad/net"
	"bcc/model"
	"bcc/native/ort"
	"bcc/train"
)

// openSlides prepares the training of a slide head over bags of embeddings, and first
// makes those that are missing.
func (f *trainFlags) openSlides(ctx context.Context, kind string, world train.Collective, notes io.Writer) (*trainTask, error) {
	template, err := f.template()
	if err != nil {
		return nil, err
	}
	if f.arch != "mil" {
		return nil, fault.Hint(fault.New(fault.NotFound, "slide head %q: no such network", f.arch), "the network is mil")
	}
	encoder, err := (&engineFlags{model: f.encoder}).bundle()
	if err != nil {
		return nil, err
	}
	digest, err := encoder.EncoderDigest()
	if err != nil {
		return nil, fault.Hint(err, "name a model that gives embeddings: --model DIR; those that bcc train --task patch writes do")
	}
	set, err := slideSet(ctx, f.data, kind, f.positive)
	if err != nil {
		return nil, err
	}
	card, err := f.slideCard(template, encoder, set.Classes)
	if err != nil {
		return nil, err
	}
	if err := checkSlides(nameOf(f.data), set); err != nil {
		return nil, err
	}
	bags := &bagged{set: set, kind: kind, dir: f.bags}
	for _, split := range f.embedded() {
		bags.slides = append(bags.slides, set.Split(split)...)
	}
	if err := bags.embed(ctx, f, world, encoder, digest, notes); err != nil {
		return nil, err
	}
	data := trainData{
		Name: nameOf(f.data), Kind: kind, Classes: set.Classes, Summary: set.Summary(), Notes: set.Notes, Splits: map[string]splitCount{},
	}
	for _, s := range bags.slides {
		if err := bags.failed[s.Name]; err != nil {
			data.Notes = append(data.Notes, fmt.Sprintf("slide %s is left out: %v", s.Name, err))
		}
	}
	splits := map[string]*bag.Samples{}
	for _, name := range []string{dataset.Train, dataset.Val} {
		s, err := bags.samples(name, f.patches)
		if err != nil {
			return nil, err
		}
		for _, slide := range s.Empty() {
			data.Notes = append(data.Notes, fmt.Sprintf("slide %s is left out: no tissue was found on it", slide))
		}
		splits[name] = s
		data.Splits[name] = count(s, set.Classes)
	}
	data.Digest = splits[dataset.Train].Digest() + "+" + splits[dataset.Val].Digest()
	t, err := f.slideTask(card, encoder, splits[dataset.Train], splits[dataset.Val], data)
	if err != nil {
		return nil, err
	}
	t.bags = bags
	return t, nil
}

// embedded are the splits whose slides are embedded: what is learned from and, where
// the model is evaluated at the end, what that measures.
func (f *trainFlags) embedded() []string {
	if f.noEvaluate {
		return []string{dataset.Train, dataset.Val}
	}
	return []string{dataset.Train, dataset.Val, dataset.Test}
}

// slideSet reads a set of labelled slides.
func slideSet(ctx context.Context, dir, kind, positive string) (*dataset.SlideSet, error) {
	if kind == kindTiles {
		return nil, fault.New(fault.Unsupported, "%s holds %s: a slide head is trained on slides", dir, kind)
	}
	return openSlides(ctx, dir, kind, positive)
}

// checkSlides refuses splits that nothing can be learned from or measured on, before
// hours are spent on embedding them.
func checkSlides(name string, set *dataset.SlideSet) error {
	for _, split := range []string{dataset.Train, dataset.Val} {
		slides := set.Split(split)
		if err := checkSplit(name, split, len(slides), func(i int) int { return slides[i].Class }); err != nil {
			return err
		}
	}
	return nil
}

// slideCard returns the card of a slide head: the template, the encoder's input, and
// what is known here.
func (f *trainFlags) slideCard(c model.Card, encoder *model.Bundle, classes []string) (model.Card, error) {
	if err := nameClasses(&c, classes); err != nil {
		return c, err
	}
	e := &encoder.Card
	c.Kind = model.SlideHead
	c.PatchSizePixels, c.SpacingUMPx, c.Transform, c.Input = e.PatchSizePixels, e.SpacingUMPx, e.Transform, e.Input
	c.Output = model.Output{Name: net.Output, Type: model.Logits}
	c.Embedding, _, _ = encoder.Embedding() // EncoderDigest has proved that there is one
	f.describe(&c)
	c.Training.Data += fmt.Sprintf("; embeddings by %s %s", e.Name, e.Version)
	if e.Training != nil {
		c.Training.Data += ", trained on: " + e.Training.Data
	}
	return c, wellFormed(c)
}

// slideTask puts the head, its program and the bags together.
func (f *trainFlags) slideTask(card model.Card, encoder *model.Bundle, learn, val *bag.Samples, data trainData) (*trainTask, error) {
	c := net.MILConfig{
		Features: learn.Dims(), Classes: card.NumClasses, Seed: f.seed,
		Bags: f.micro, Patches: f.patches, Dropout: float32(f.dropout),
	}
	head, err := net.BuildMIL(c)
	if err != nil {
		return nil, err
	}
	program, err := net.TrainMIL(c, programStages)
	if err != nil {
		return nil, err
	}
	t := &trainTask{
		program: program, weights: head.Weights, train: learn, val: val, data: data, classes: card.NumClasses,
		facts: append(f.facts(data, card), train.Fact{Name: "patches a slide", Value: strconv.Itoa(f.patches)}),
	}
	t.bundle = func(w grad.Weights) (model.Card, map[string][]byte, error) {
		m, err := head.Graph.Deploy(w)
		if err != nil {
			return card, nil, err
		}
		return card, map[string][]byte{model.ModelFile: encoder.ONNX, model.HeadFile: m.Marshal()}, nil
	}
	t.logits = func(ctx context.Context, w grad.Weights, lo, hi int, out []float32) error {
		m, err := head.Graph.Deploy(w)
		if err != nil {
			return err
		}
		return f.scoreBags(ctx, m.Marshal(), val, lo, hi, out)
	}
	return t, nil
}

// scoreBags runs the head over whole bags, as detect does over whole slides.
func (f *trainFlags) scoreBags(ctx context.Context, head []byte, bags *bag.Samples, lo, hi int, out []float32) (err error) {
	g, err := ort.OpenGraph([][]byte{head}, ort.GraphConfig{Device: deviceHere(f.device)})
	if err != nil {
		return err
	}
	defer func() {
		if closed := g.Close(); err == nil {
			err = closed
		}
	}()
	classes := len(out) / (hi - lo)
	for i := lo; i < hi; i++ {
		row, err := scoreBag(ctx, g, bags.Path(i))
		if err == nil && len(row) != classes {
			err = fault.New(fault.Internal, "the head gives %d numbers, want %d", len(row), classes)
		}
		if err != nil {
			return fmt.Errorf("bag %s: %w", bags.Path(i), err)
		}
		copy(out[(i-lo)*classes:], row)
	}
	return nil
}

func scoreBag(ctx context.Context, g *ort.Graph, path string) ([]float32, error) {
	b, err := bag.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	embeddings, err := b.All()
	if err != nil {
		return nil, err
	}
	in := ort.Tensor{Name: net.Embeddings, Shape: []int64{int64(b.Len()), int64(b.Dims)}, Data: embeddings}
	out, err := g.Eval(ctx, []ort.Tensor{in}, []string{net.Output})
	if err != nil {
		return nil, err
	}
	return out[0].Data, nil
}
