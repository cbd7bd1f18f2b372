package worker

import "time"

// pressure is what a worker used since it was asked the last time.
type usage struct {
	idle   float64 // share of the runners' time without a batch, 0 to 1
	memory float64 // share of what may be used, 0 to 1
	full   bool    // every slot had something to do
}

const (
	firstSlots = 2 // while one slide is opened or written the other is scored
	idleShare  = 0.1
	memoryLow  = 0.8
	memoryHigh = 0.9
)

// slots returns how many slides to walk at once, after now of them used u: one more
// while runners wait for patches and there is memory for it, one less when there is
// nearly none.
func (u usage) slots(now, most int) int {
	switch {
	case u.memory > memoryHigh:
		return max(now-1, 1)
	case u.full && u.idle > idleShare && u.memory < memoryLow:
		return max(min(now+1, most), now)
	}
	return now
}

// meter turns what an engine and a machine count into usage.
type meter struct {
	engine func() (busy time.Duration, runners int)
	memory func() (used, limit uint64)

	at   time.Time
	busy time.Duration
}

// read returns what was used since it was read the last time; ok is false the first.
func (m *meter) read(now time.Time, full bool) (u usage, ok bool) {
	busy, runners := m.engine()
	took := now.Sub(m.at) * time.Duration(max(runners, 1))
	ok = !m.at.IsZero() && took > 0
	if ok {
		u.idle = 1 - float64(busy-m.busy)/float64(took)
	}
	m.at, m.busy = now, busy
	if m.memory != nil {
		if used, limit := m.memory(); limit > 0 {
			u.memory = float64(used) / float64(limit)
		}
	}
	u.full = full
	return u, ok
}
