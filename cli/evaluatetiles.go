package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/dataset"
	"bcc/detect"
	"bcc/evaluate"
	"bcc/fault"
	"bcc/model"
)

// scoreTiles runs the tiles of the wanted splits through the batcher that detect
// uses, and fits the colour baseline.
func (f *evaluateFlags) scoreTiles(ctx context.Context, s *scored, dir string, b *model.Bundle, std Streams) error {
	if b.Card.Kind != model.PatchClassifier {
		return fault.New(fault.Unsupported, "model %s is a %s: tiles are scored by a %s", b.Card.Name, b.Card.Kind, model.PatchClassifier)
	}
	tiles, err := dataset.OpenTiles(ctx, dir, dataset.TilesConfig{Positive: f.positive})
	if err != nil {
		return err
	}
	if px := b.Card.InputPx(); tiles.Px() != px {
		return fault.Hint(fault.New(fault.Unsupported, "tiles of %d px, model %s sees %d px", tiles.Px(), b.Card.Name, px), "cut the tiles again at the model's size and %v µm per pixel", b.Card.InputMPP())
	}
	if f.by != "" && !hasColumn(tiles.Columns(), f.by) {
		return fault.New(fault.Invalid, "--by %s: the table has no such column; it has %q", f.by, tiles.Columns())
	}
	s.data.SHA256 = tiles.Digest()
	s.notes = append(s.notes, tiles.Notes()...)
	if name := positiveName(&b.Card); !isBCC(name) || !isBCC(tiles.Classes()[0]) {
		s.notes = append(s.notes, fmt.Sprintf("The positive class is called “%s” in the data and “%s” in the model. It is a surrogate: no figure here is about basal cell carcinoma.", tiles.Classes()[0], name))
	}
	t := b.Card.PatchThreshold()
	s.point = evaluate.Point{Threshold: t, Abstain: [2]float64{t, t}}
	s.source = "the card's lesion threshold"
	if b.Card.LesionThreshold == nil {
		s.source = "0.5: the card names no lesion threshold"
	}

	e, err := startEngine(ctx, b, f.engineFlags, std.Err)
	if err != nil {
		return err
	}
	for _, split := range []string{dataset.Train, dataset.Val, dataset.Test} {
		if part := tiles.Split(split); f.wants(split) && part.Len() > 0 {
			rows, err := scoreSplit(ctx, e, b, part, split, std)
			if err != nil {
				return errors.Join(err, e.Close())
			}
			for i := range rows {
				rows[i].Part = part.Value(i, f.by)
			}
			s.rows = append(s.rows, rows...)
		}
	}
	if err := e.Close(); err != nil {
		return err
	}
	return f.colourBaseline(ctx, s, tiles)
}

// scoreSplit runs the samples of one split through the engine; a row each, in their
// order.
func scoreSplit(ctx context.Context, e *engine, b *model.Bundle, s pictures, split string, std Streams) ([]evaluate.Prediction, error) {
	name := "split " + split
	watch, begun := newProgress(std.Err, 1), time.Now()
	watch.Planned(name, s.Len())
	outputs := e.infos[0].Outputs
	out := make([]float32, s.Len()*outputs)
	err := scorePictures(ctx, e, s, 0, s.Len(), out, func() { watch.Scored(name, 1) })
	if err == nil {
		watch.Ended(detect.End{Name: name, Status: detect.Done, Patches: s.Len(), Took: time.Since(begun)})
	}
	watch.Close()
	if err != nil {
		return nil, fmt.Errorf("score %s: %w", name, err)
	}
	rows := make([]evaluate.Prediction, s.Len())
	for i := range rows {
		rows[i] = evaluate.Prediction{Split: split, Sample: evaluate.Sample{
			Name: s.Name(i), Group: s.Group(i), Positive: s.Class(i) == 0,
			Score: float64(b.Card.Probability(out[i*outputs : (i+1)*outputs])),
		}}
	}
	return rows, nil
}

// colourBaseline fits what colour alone tells on the training split, for all tiles
// and for each subgroup that has both classes there, and scores the measured split.
func (f *evaluateFlags) colourBaseline(ctx context.Context, s *scored, tiles *dataset.Tiles) error {
	train, measured := tiles.Split(dataset.Train), tiles.Split(f.split)
	if train.Len() == 0 || within(dataset.Train, f.split) {
		s.notes = append(s.notes, "There is no colour baseline: it takes a training split to fit it on, and another one to measure.")
		return nil
	}
	learned, err := colours(ctx, train)
	if err != nil {
		return err
	}
	asked, err := colours(ctx, measured)
	if err != nil {
		return err
	}
	parts := map[string]bool{"": true}
	if f.by != "" {
		for i := range measured.Len() {
			parts[measured.Value(i, f.by)] = true
		}
	}
	base := &evaluate.Baseline{TrainedOn: map[string]int{}, Scores: map[string]map[string]float64{}}
	for part := range parts {
		var rows [][]float64
		var positive []bool
		for i := range train.Len() {
			if part == "" || train.Value(i, f.by) == part {
				rows, positive = append(rows, learned[i]), append(positive, train.Class(i) == 0)
			}
		}
		model, err := evaluate.FitLogistic(rows, positive)
		if fault.Of(err) == fault.Invalid && part != "" {
			continue // a subgroup that training has not seen
		}
		if err != nil {
			return fmt.Errorf("colour baseline: %w", err)
		}
		base.TrainedOn[part], base.Scores[part] = len(rows), map[string]float64{}
		for i := range measured.Len() {
			base.Scores[part][measured.Name(i)] = model.Score(asked[i])
		}
	}
	s.colour = base
	return nil
}

// colours returns the colour features of all tiles.
func colours(ctx context.Context, tiles *dataset.Tiles) ([][]float64, error) {
	out := make([][]float64, tiles.Len())
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(cores)
	for i := range out {
		eg.Go(func() error {
			pix, _, err := tiles.RGB(ctx, i)
			if err == nil {
				out[i] = evaluate.ColourOf(pix)
			}
			return err
		})
	}
	return out, eg.Wait()
}
