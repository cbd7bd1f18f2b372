package train

import "math"

// momentum is the part of a running statistic that each step renews, as
// frameworks have it for batch norm.
const momentum = 0.1

// track moves the running statistics towards those of a step's batch. The step is
// counted from 1; dividing by what all steps so far weigh makes the first steps'
// means as good as later ones', as Adam does for its moments.
func track(state []float32, batch []float64, step int) {
	share := float32(momentum / (1 - math.Pow(1-momentum, float64(step))))
	for i := range state {
		state[i] += float32(share * (float32(batch[i]) - state[i]))
	}
}
