package auth

import "time"

// scale is a sliding window of time: steps of one length, so that a window costs a
// few bytes a step in which something happened, and nothing for the others.
type scale struct {
	step  time.Duration
	steps int64
}

// What lies in the present step or in the steps before it counts, so that never more
// than the limit lies in any 60 s or 24 h; up to one step longer at the other end.
var (
	minute = scale{time.Second, 60}
	day    = scale{time.Hour, 24}
)

func (s scale) at(t time.Time) int64 { return t.UnixNano() / int64(s.step) }

// window is what was counted, oldest first: pairs of a step since 1970 and a number.
type window [][2]int64

// add counts n more now and lets go of what is too old.
func (w *window) add(s scale, now time.Time, n int) {
	w.prune(s, now)
	at := s.at(now)
	if k := len(*w); k > 0 && (*w)[k-1][0] >= at { // a clock set back counts into the last step
		(*w)[k-1][1] += int64(n)
		return
	}
	*w = append(*w, [2]int64{at, int64(n)})
}

func (w *window) prune(s scale, now time.Time) {
	oldest, k := s.at(now)-s.steps, 0
	for k < len(*w) && (*w)[k][0] < oldest {
		k++
	}
	*w = (*w)[k:]
	if len(*w) == 0 {
		*w = nil
	}
}

// wait returns how long until less than limit lies in the window: 0 where it does.
func (w *window) wait(s scale, now time.Time, limit int) time.Duration {
	w.prune(s, now)
	var sum int64
	for _, t := range *w {
		sum += t[1]
	}
	for _, t := range *w {
		if sum < int64(limit) {
			break
		}
		if sum -= t[1]; sum < int64(limit) { // when this step has left
			return max(time.Unix(0, (t[0]+s.steps+1)*int64(s.step)).Sub(now), time.Second)
		}
	}
	return 0
}
