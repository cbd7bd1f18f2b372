package cli

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bcc/bag"
	"bcc/dataset"
	"bcc/evaluate"
	"bcc/model"
)

// evaluationDir is where, in OUT, a training leaves what it measured at its end.
const evaluationDir = "evaluation"

// evaluate chooses the operating point of the trained slide head on val, measures it
// on test, and writes both as bcc evaluate --write-card does. The scores are those of
// the embeddings that are there: no slide is walked again.
func (f *trainFlags) evaluate(cmd *cobra.Command, t *trainTask, std Streams) error {
	split, why := t.bags.measured()
	ev := evaluateFlags{data: f.data, dataset: t.bags.kind, split: split, tune: dataset.Val, writeCard: true}
	ev.model, ev.out = filepath.Join(f.out, trainedDir), filepath.Join(f.out, evaluationDir)
	b, err := ev.bundle()
	if err != nil {
		return err
	}
	s := ev.unscored(f.data, t.bags.kind, b)
	asked := slices.DeleteFunc(slices.Clone(t.bags.set.Slides), func(sl dataset.Slide) bool { return !ev.wants(sl.Split) })
	s.describe(t.bags.set, asked, b)
	if why != "" {
		s.notes = append(s.notes, why)
	}
	if n := len(t.bags.failed); n > 0 {
		s.notes = append(s.notes, fmt.Sprintf("%s could not be embedded, and training went on without.", slides(n)))
	}
	if slices.ContainsFunc(asked, func(sl dataset.Slide) bool { return sl.Beside(truthEnding) != "" }) {
		s.notes = append(s.notes, "Lesions were not looked for: bcc evaluate walks the slides and compares them with those that are known.")
	}
	if s.rows, err = t.bags.score(cmd.Context(), b, asked); err != nil {
		return err
	}
	return ev.report(cmd, s, b, std)
}

// evaluation is the command line that measures the trained model.
func (f *trainFlags) evaluation(cmd *cobra.Command, t *trainTask) string {
	split := dataset.Val
	if len(t.data.Splits[dataset.Test].Classes) > 1 {
		split = dataset.Test
	} else if t.bags != nil {
		split, _ = t.bags.measured()
	}
	line := []string{"bcc evaluate --model", quoted(filepath.Join(f.out, trainedDir)), "--data", quoted(f.data)}
	for _, name := range []string{"dataset", "positive"} {
		if flag := cmd.Flags().Lookup(name); flag.Changed {
			line = append(line, "--"+name, quoted(flag.Value.String()))
		}
	}
	return strings.Join(append(line, "--split", split, "--out", quoted(filepath.Join(f.out, evaluationDir)), "--write-card"), " ")
}

// measured returns the split that figures are measured on: test, or val where test
// has not both classes, and why that is.
func (b *bagged) measured() (split, why string) {
	seen := map[int]int{}
	for _, s := range b.set.Split(dataset.Test) {
		seen[s.Class]++
	}
	switch len(seen) {
	case 0:
		return dataset.Val, "There is no split test: the figures are of the split val, which chose the epoch too."
	case 1:
		return dataset.Val, "All slides of the split test are of one class: the figures are of the split val, which chose the epoch too."
	}
	return dataset.Test, ""
}

// score asks the model's head about slides, each by its bag.
func (b *bagged) score(ctx context.Context, m *model.Bundle, asked []dataset.Slide) (rows []evaluate.Prediction, err error) {
	head, err := newSlideHead(m)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := head.close(); err == nil {
			err = closed
		}
	}()
	for _, s := range asked {
		if err := b.failed[s.Name]; err != nil {
			return nil, withoutSlides(err)
		}
		score, err := scoreSlide(ctx, head, b.path(s.Name))
		if err != nil {
			return nil, fmt.Errorf("slide %s: %w", s.Name, err)
		}
		rows = append(rows, evaluate.Prediction{Split: s.Split, Sample: evaluate.Sample{
			Name: s.Name, Group: s.Group, Positive: s.Positive(), Score: score,
		}})
	}
	return rows, nil
}

// scoreSlide returns the score that detect gives to the slide of a bag, with the four
// decimals that its files have. A slide without tissue has 0.
func scoreSlide(ctx context.Context, head *slideHead, path string) (float64, error) {
	b, err := bag.OpenFile(path)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	if b.Len() == 0 {
		return 0, ctx.Err()
	}
	embeddings, err := b.All()
	if err != nil {
		return 0, err
	}
	score, _, err := head.Score(ctx, embeddings, b.Len())
	return math.Round(float64(score)*1e4) / 1e4, err
}
