package sim

import (
	"math"
	"slices"
	"time"

	"bcc/autoscale"
)

// doing is what a worker does.
type doing uint8

const (
	starting doing = iota
	idle
	busy
	gone
)

// worker is one machine, paid for from the moment it is wanted until it is gone.
type worker struct {
	kind     int
	doing    doing
	leaving  bool // goes when it has finished the shard in hand
	paidFrom time.Duration
	expected time.Duration // when it should take work
	hand     piece
	turn     uint32 // counts what it began: an event of an earlier turn is nobody's
	life     uint32 // counts who had this place
}

// pool is all workers of one kind.
type pool struct {
	autoscale.Kind
	shardTakes time.Duration // for a whole shard
	starting   []int         // oldest first
	idle       []int         // who has been idle longest first
	busy       int
	leaving    int // of busy

	starts    int
	failed    int     // starts
	lost      int     // crashed or taken away
	again     int     // shards, for that reason
	paid      float64 // worker-seconds
	busyTime  float64 // worker-seconds
	readyTime float64
	lastUse   time.Duration
}

// present is how many count as wanted: those that leave do not.
func (p *pool) present() int { return len(p.starting) + len(p.idle) + p.busy - p.leaving }

// use adds up what the workers did since the last change of their number.
func (p *pool) use(now time.Duration) {
	dt := (now - p.lastUse).Seconds()
	p.busyTime += dt * float64(p.busy)
	p.readyTime += dt * float64(p.busy+len(p.idle))
	p.lastUse = now
}

// takes returns how long a worker needs for n patches.
func (p *pool) takes(n int) time.Duration {
	return time.Duration(math.Ceil(float64(n) / p.PatchesPerS * float64(time.Second)))
}

// start wants one more worker of a kind.
func (r *run) start(k int) {
	p := &r.pools[k]
	id := r.place()
	w := &r.workers[id]
	*w = worker{kind: k, paidFrom: r.now, expected: r.now + p.StartUp, turn: w.turn + 1, life: w.life + 1}
	p.starting = append(p.starting, id)
	p.starts++
	takes := p.StartUp
	if r.cfg.Spread > 0 {
		takes += time.Duration((2*r.rand.Float64() - 1) * r.cfg.Spread * float64(takes))
	}
	what := evReady
	if r.cfg.FailStarts > 0 && r.rand.Float64() < r.cfg.FailStarts {
		what = evFailed
	}
	r.events.push(event{r.now + takes, what, id, w.turn})
}

// place returns the number of a worker that is gone, or a new one.
func (r *run) place() int {
	if n := len(r.free); n > 0 {
		id := r.free[n-1]
		r.free = r.free[:n-1]
		return id
	}
	r.workers = append(r.workers, worker{})
	return len(r.workers) - 1
}

// ready lets a worker that started take work, and draws its end.
func (r *run) ready(id int) {
	w := &r.workers[id]
	p := &r.pools[w.kind]
	p.use(r.now)
	p.starting = without(p.starting, id)
	end := r.draw(r.cfg.CrashEvery)
	if p.Spot {
		end = min(end, r.draw(r.cfg.SpotEvery))
	}
	if end < maxHorizon {
		r.events.push(event{r.now + end, evLost, id, w.life})
	}
	r.next(id)
}

// failed ends a worker that never took work.
func (r *run) failed(id int) {
	p := &r.pools[r.workers[id].kind]
	p.starting = without(p.starting, id)
	p.failed++
	r.end(id, r.now)
}

// draw returns a time with that mean; one past maxHorizon: never.
func (r *run) draw(mean time.Duration) time.Duration {
	if mean == 0 {
		return maxHorizon
	}
	return time.Duration(min(r.rand.ExpFloat64()*float64(mean), float64(maxHorizon)))
}

// next gives a worker, which is in no list, a shard, or lets it wait or go.
func (r *run) next(id int) {
	w := &r.workers[id]
	p := &r.pools[w.kind]
	if w.leaving {
		p.leaving--
		// The target sees at its next look that the machine is gone, and pays until then.
		r.end(id, r.nextTick)
		return
	}
	if piece, ok := r.lanes.take(); ok {
		r.give(id, piece)
		return
	}
	w.doing, w.hand = idle, piece{}
	p.idle = append(p.idle, id)
}

// give lets a worker, which is in no list, begin a shard.
func (r *run) give(id int, what piece) {
	w := &r.workers[id]
	p := &r.pools[w.kind]
	w.doing, w.hand = busy, what
	w.turn++
	p.busy++
	if what.patches == r.cfg.Shard {
		r.lines[w.kind].push(event{r.now + p.shardTakes, evDone, id, w.turn})
	} else {
		r.events.push(event{r.now + p.takes(what.patches), evDone, id, w.turn})
	}
}

// done is the end of a shard.
func (r *run) done(id int) {
	w := &r.workers[id]
	p := &r.pools[w.kind]
	p.use(r.now)
	p.busy--
	r.scored(w.hand)
	r.next(id)
}

// wake lets idle workers take what is there: the fastest first, and of these who has
// just become idle, so that others stay idle and can go.
func (r *run) wake() {
	for _, k := range r.fastest {
		p := &r.pools[k]
		p.use(r.now)
		for len(p.idle) > 0 {
			piece, ok := r.lanes.take()
			if !ok {
				return
			}
			last := len(p.idle) - 1
			id := p.idle[last]
			p.idle = p.idle[:last]
			r.give(id, piece)
		}
	}
}

// lose ends a worker in the middle of what it does; its shard is done again.
func (r *run) lose(id int) {
	w := &r.workers[id]
	p := &r.pools[w.kind]
	p.use(r.now)
	p.lost++
	if w.doing == idle {
		p.idle = without(p.idle, id)
	} else {
		p.busy--
		if w.leaving {
			p.leaving--
		}
		p.again++
		r.lanes.putBack(w.hand)
	}
	r.end(id, r.now)
	r.wake()
}

// end stops paying for a worker, which is in no list.
func (r *run) end(id int, paidTo time.Duration) {
	w := &r.workers[id]
	r.pools[w.kind].paid += (paidTo - w.paidFrom).Seconds()
	w.doing, w.hand = gone, piece{}
	w.turn++
	w.life++
	r.free = append(r.free, id)
}

// scale makes it n workers of a kind, as autoscale.Target promises: where that is fewer,
// those in idle go, first ones first, and no other. One of them that has taken work
// since finishes it first.
func (r *run) scale(k, n int, idleIDs []seen) {
	p := &r.pools[k]
	p.use(r.now)
	for p.present() < n {
		r.start(k)
	}
	for _, s := range idleIDs {
		if p.present() <= n {
			return
		}
		w := &r.workers[s.id]
		if w.life != s.life || w.leaving {
			continue
		}
		if w.doing == busy {
			w.leaving = true
			p.leaving++
			continue
		}
		p.idle = without(p.idle, s.id)
		r.end(s.id, r.now)
	}
}

// without takes one out of a list and keeps the order.
func without(list []int, id int) []int {
	i := slices.Index(list, id)
	return slices.Delete(list, i, i+1)
}
