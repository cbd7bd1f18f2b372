package bench

import (
	"math"
	"math/rand/v2"
	"time"
)

// schedule says when requests are due that come by themselves, whatever becomes of
// those before them: a Poisson process, since people do not wait for each other.
type schedule struct {
	rate float64 // a second
	rng  *rand.Rand
	at   float64 // seconds, of the last one
}

func newSchedule(rate float64, seed uint64) *schedule {
	return &schedule{rate: rate, rng: rand.New(rand.NewPCG(seed, 4))}
}

// next returns when the next request is due, from the beginning.
func (s *schedule) next() time.Duration {
	s.at += -math.Log(1-s.rng.Float64()) / s.rate
	return time.Duration(s.at * float64(time.Second))
}
