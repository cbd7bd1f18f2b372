package train

import "math"

// finalRate is the part of the peak rate that the last step has: steps of no
// length would teach nothing.
const finalRate = 0.01

// rate returns the learning rate of a step, counted from 0 over all epochs: a
// straight line up to the peak over the warm-up, then half a cosine down to
// finalRate of it (Loshchilov and Hutter 2017).
func (c Config) rate(step, steps int) float32 {
	warm := int(math.Ceil(c.Warmup * float64(steps)))
	if step < warm {
		return float32(c.Rate * float64(step+1) / float64(warm))
	}
	t := float64(step-warm) / float64(max(steps-warm-1, 1))
	return float32(c.Rate * (finalRate + float64((1-finalRate)*(1+math.Cos(math.Pi*min(t, 1)))/2)))
}
