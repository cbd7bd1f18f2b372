package sim

import "time"

// job is a Job on its way.
type job struct {
	Job
	due   time.Duration
	guess float64 // of its patches, shown until it is begun
	ahead int     // patches that nobody took yet
	left  int     // patches that are not scored
	begun bool
	in    *demand
}

// lanes is the queue: urgent work first, in a lane the oldest first. What was handed
// back, because its worker is gone, comes before anything else of its lane.
//
// The real queue gives whole slides and their parts are offered to whoever is idle; all
// workers end up with the same amount of work, so here shards are taken one by one.
type lanes struct {
	shard   int
	lane    [2]lane // urgent, routine
	patches int     // of all lanes, in nobody's hands
}

type lane struct {
	jobs  []*job
	first int
	again []piece
}

// piece is a shard of a job.
type piece struct {
	of      *job
	patches int
}

func laneOf(j *job) int {
	if j.Urgent {
		return 0
	}
	return 1
}

func (l *lanes) put(j *job) {
	at := &l.lane[laneOf(j)]
	at.jobs = append(at.jobs, j)
	l.patches += j.ahead
}

func (l *lanes) putBack(p piece) {
	at := &l.lane[laneOf(p.of)]
	at.again = append(at.again, p)
	l.patches += p.patches
}

// take returns the next shard; ok is false where there is none.
func (l *lanes) take() (p piece, ok bool) {
	if l.patches == 0 {
		return piece{}, false
	}
	for i := range l.lane {
		if p, ok = l.lane[i].take(l.shard); ok {
			if !p.of.begun {
				p.of.begun = true
				p.of.in.begin(p.of)
			}
			l.patches -= p.patches
			return p, true
		}
	}
	return piece{}, false
}

func (l *lane) take(shard int) (piece, bool) {
	if n := len(l.again); n > 0 {
		p := l.again[n-1]
		l.again = l.again[:n-1]
		return p, true
	}
	if l.first == len(l.jobs) {
		return piece{}, false
	}
	j := l.jobs[l.first]
	n := min(shard, j.ahead)
	j.ahead -= n
	if j.ahead == 0 {
		l.jobs[l.first] = nil
		if l.first++; l.first == len(l.jobs) {
			l.jobs, l.first = l.jobs[:0], 0
		}
	}
	return piece{j, n}, true
}
