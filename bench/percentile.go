package bench

import (
	"math"
	"slices"
	"time"
)

// Latency is how long answers took, in milliseconds.
type Latency struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// latencyOf sorts the times and reads them.
func latencyOf(took []time.Duration) Latency {
	slices.Sort(took)
	at := func(q float64) float64 { return ms(percentile(took, q)) }
	return Latency{Count: len(took), P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: at(1)}
}

// percentile returns the smallest value that is no less than the share q of the
// sorted values (nearest rank): always one that was measured. 0 where there is none.
func percentile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
