package train

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// plan is one epoch cut into steps of micro-batches. It is the same on every rank.
type plan struct {
	order []int // every sample once
	micro int   // samples a micro-batch
	steps int
}

// batch is one micro-batch: the samples in its rows. Only the first of them count;
// the rest are companions, which batch norm needs where the epoch's last samples
// do not fill a micro-batch.
type batch struct {
	rows  []int
	count int
}

// newPlan returns the plan of an epoch. The micro-batches are spread over the
// steps as evenly as they go, at most perStep each: no step is a poor rest.
func newPlan(order []int, micro, perStep int) plan {
	batches := (len(order) + micro - 1) / micro
	return plan{order, micro, (batches + perStep - 1) / perStep}
}

// batches returns the number of micro-batches.
func (p plan) batches() int { return (len(p.order) + p.micro - 1) / p.micro }

// step returns the micro-batches of a step, as numbers from lo to hi-1.
func (p plan) step(step int) (lo, hi int) { return part(0, p.batches(), step, p.steps) }

// part returns the i-th of n equal parts of lo to hi-1, sizes within one.
func part(lo, hi, i, n int) (from, to int) {
	return lo + (hi-lo)*i/n, lo + (hi-lo)*(i+1)/n
}

// batch returns micro-batch j of the epoch.
func (p plan) batch(j int) batch {
	b := batch{count: min(p.micro, len(p.order)-j*p.micro)}
	b.rows = slices.Clone(p.order[j*p.micro : j*p.micro+b.count])
	for i := 0; len(b.rows) < p.micro; i++ {
		b.rows = append(b.rows, p.order[i%len(p.order)])
	}
	return b
}

// shuffled returns an epoch's order: every sample once, each run of neighbours as
// mixed as the data allow. Every class is spread evenly over the epoch, and within
// a class every group.
func shuffled(s Samples, seed uint64, epoch int) []int {
	rng := rand.New(rand.NewPCG(mix(seed, 1), uint64(epoch)))
	type stratum struct {
		class int
		group string
	}
	members := map[stratum][]int{}
	for i := range s.Len() {
		k := stratum{s.Class(i), s.Group(i)}
		members[k] = append(members[k], i)
	}
	var strata []stratum
	for k := range members {
		strata = append(strata, k)
	}
	slices.SortFunc(strata, func(a, b stratum) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.group, b.group))
	})
	var classes [][]int
	for lo := 0; lo < len(strata); {
		hi := lo
		var groups [][]int
		for ; hi < len(strata) && strata[hi].class == strata[lo].class; hi++ {
			g := members[strata[hi]]
			rng.Shuffle(len(g), func(i, j int) { g[i], g[j] = g[j], g[i] })
			groups = append(groups, g)
		}
		classes = append(classes, interleave(groups, rng))
		lo = hi
	}
	return interleave(classes, rng)
}

// interleave merges lists so that each is spread evenly over the result: of n
// elements the i-th lies near (i+u)/n of the way, with one random u a list.
func interleave(lists [][]int, rng *rand.Rand) []int {
	type placed struct {
		at   float64
		list int
		v    int
	}
	var all []placed
	for l, list := range lists {
		u := rng.Float64()
		for i, v := range list {
			all = append(all, placed{(float64(i) + u) / float64(len(list)), l, v})
		}
	}
	slices.SortFunc(all, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.list, b.list))
	})
	out := make([]int, len(all))
	for i, p := range all {
		out[i] = p.v
	}
	return out
}
