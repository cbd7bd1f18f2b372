package harvest

import (
	"cmp"
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// part is what a slide gives at most of one kind, of all its negative patches, before
// the rest is filled up.
type part struct {
	kind string
	most float64
}

// Mimics and dark patches are rare on glass and what a model gets wrong: they come
// first.
var (
	labelledParts = []part{{Mimic, 0.5}, {Epidermis, 0.25}, {Dense, 0.5}, {Dermis, 1}}
	givenParts    = []part{{GivenDense, 0.5}, {Given, 1}}
)

// choose takes a bounded part of the candidates of a source, in their order on the
// slide. What is taken depends on the seed and the slide's name alone, not on the
// slides beside it.
func (f *field) choose(source int, candidates []place) []place {
	s := &f.sources[source]
	h := fnv.New64a()
	h.Write([]byte(s.name))
	rng := rand.New(rand.NewPCG(f.cfg.Seed, h.Sum64()))
	shuffled := slices.Clone(candidates)
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })

	of := map[string][]place{}
	for _, p := range shuffled {
		of[p.kind] = append(of[p.kind], p)
	}
	take := func(kind string, n int) (out []place) {
		n = min(n, len(of[kind]))
		out, of[kind] = of[kind][:n], of[kind][n:]
		return out
	}
	chosen := take(Lesion, f.cfg.PerSlide)
	parts, most := labelledParts, f.cfg.PerSlide
	if s.given {
		parts, most = givenParts, f.cfg.PerNegative
	}
	left := most
	for _, p := range parts {
		got := take(p.kind, min(int(p.most*float64(most)+0.5), left))
		chosen, left = append(chosen, got...), left-len(got)
	}
	for _, p := range parts { // where one kind lacks, the others fill up
		got := take(p.kind, left)
		chosen, left = append(chosen, got...), left-len(got)
	}
	slices.SortFunc(chosen, func(a, b place) int { return cmp.Or(cmp.Compare(a.y, b.y), cmp.Compare(a.x, b.x)) })
	return chosen
}
