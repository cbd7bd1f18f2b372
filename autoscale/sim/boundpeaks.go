package sim

// byPeaks is a bound for fleets too large to search, in worker-slots: the work, and the
// starts that the highest peak needs.
func (t *tube) byPeaks() float64 {
	always := float64(t.minimum * len(t.due))
	return max(t.work+float64(t.lag)*t.density(), always)
}

// density is the least real number of workers that suffices when they are always there.
func (t *tube) density() float64 {
	low, high := 0.0, float64(t.most)
	for range 50 {
		if mid := (low + high) / 2; t.suffices(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return low
}
