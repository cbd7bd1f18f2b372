package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// labelled is a data set of labels only.
type labelled struct {
	class []int
	group []string
}

func (l labelled) Len() int           { return len(l.class) }
func (l labelled) Class(i int) int    { return l.class[i] }
func (l labelled) Group(i int) string { return l.group[i] }
func (l labelled) Name(i int) string  { return fmt.Sprint(i) }
func (l labelled) Read(context.Context, int, *rand.Rand, func(string) []float32) error {
	return nil
}

func random(rng *rand.Rand, n int) labelled {
	var l labelled
	for range n {
		l.class = append(l.class, rng.IntN(1+rng.IntN(4)))
		l.group = append(l.group, fmt.Sprint(rng.IntN(1+rng.IntN(9))))
	}
	return l
}

func TestEverySampleComesOnceWhateverTheRanks(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n, micro, perStep, ranks := 1+rng.IntN(400), 1+rng.IntN(9), 1+rng.IntN(6), 1+rng.IntN(9)
		s := random(rng, n)
		p := newPlan(shuffled(s, rng.Uint64(), rng.IntN(5)), micro, perStep)
		count, next := make([]int, n), 0
		for step := range p.steps {
			lo, hi := p.step(step)
			if lo != next || hi <= lo || hi-lo > perStep {
				t.Fatalf("step %d of %d holds micro-batches %d to %d after %d, at most %d", step, p.steps, lo, hi, next, perStep)
			}
			next = hi
			at := lo
			for r := range ranks {
				from, to := part(lo, hi, r, ranks)
				if from != at {
					t.Fatalf("rank %d begins at %d, want %d", r, from, at)
				}
				at = to
				for j := from; j < to; j++ {
					b := p.batch(j)
					if len(b.rows) != micro || b.count < 1 || b.count < micro && j != p.batches()-1 {
						t.Fatalf("micro-batch %d: %d rows, %d count", j, len(b.rows), b.count)
					}
					for _, i := range b.rows[:b.count] {
						count[i]++
					}
				}
			}
			if at != hi {
				t.Fatalf("ranks end at %d, want %d", at, hi)
			}
		}
		if i := slices.IndexFunc(count, func(c int) bool { return c != 1 }); i >= 0 || next != p.batches() {
			t.Fatalf("%d samples, %d ranks: sample %d comes %d times", n, ranks, i, count[i])
		}
	}
}

func TestEveryRunOfNeighboursIsMixed(t *testing.T) {
	t.Parallel()
	var l labelled // 1 of 4 in class 1, and of class 0 a third each in three groups
	for i := range 400 {
		l.class = append(l.class, i/300)
		l.group = append(l.group, fmt.Sprint(i/100))
	}
	for epoch := range 20 {
		order := shuffled(l, 5, epoch)
		for at := 0; at+32 <= len(order); at += 32 {
			var groups [4]int
			for _, i := range order[at : at+32] {
				groups[i/100]++
			}
			for g, n := range groups { // 8 of each are wanted; each level of mixing rounds once
				if n < 6 || n > 10 {
					t.Errorf("epoch %d: batch at %d has %d of group %d: %v", epoch, at, n, g, groups)
				}
			}
		}
	}
}

func TestEpochsHaveOrdersOfTheirOwn(t *testing.T) {
	t.Parallel()
	l := random(rand.New(rand.NewPCG(3, 4)), 100)
	first := shuffled(l, 9, 0)
	if !slices.Equal(first, shuffled(l, 9, 0)) {
		t.Error("the same epoch comes in two orders")
	}
	if slices.Equal(first, shuffled(l, 9, 1)) || slices.Equal(first, shuffled(l, 10, 0)) {
		t.Error("another epoch or seed comes in the same order")
	}
}

func TestClassesWeighTheSame(t *testing.T) {
	t.Parallel()
	l := labelled{class: []int{0, 0, 0, 0, 0, 0, 2, 2}, group: slices.Repeat([]string{"a", "b"}, 4)}
	cfg := DefaultConfig()
	cfg.GroupWeights = map[string]float64{"b": 3}
	w := newWeigher(cfg, l, 3)
	if want := []float32{float32(8.0 / 12), 0, 2}; !slices.Equal(w.class, want) {
		t.Errorf("weights %v, want %v", w.class, want)
	}
	if got := w.of(7); got != 6 {
		t.Errorf("weight of a sample of group b: %v, want 6", got)
	}
	b := w.weigh(batch{rows: []int{6, 7, 0}, count: 2}, 8)
	if want := []float32{0.25, 0.75, 0}; !slices.Equal(b.weights, want) {
		t.Errorf("parts %v, want %v", b.weights, want)
	}
}

func TestTheRateRisesAndFalls(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	c.Rate, c.Warmup = 0.5, 0.1
	var got []float64
	for _, step := range []int{0, 4, 9, 10, 99} {
		got = append(got, math.Round(1e6*float64(c.rate(step, 100)))/1e6)
	}
	if want := []float64{0.05, 0.25, 0.5, 0.5, 0.005}; !slices.Equal(got, want) {
		t.Errorf("rates %v, want %v", got, want)
	}
	if mid := c.rate(54, 100); mid > 0.2525+0.01 || mid < 0.2525-0.01 { // half way between 0.5 and 0.005
		t.Errorf("rate in the middle: %v", mid)
	}
}
