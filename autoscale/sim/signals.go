package sim

import (
	"cmp"
	"math"
	"slices"
	"time"

	"bcc/autoscale"
)

// cpuWindow is over what CPUPercent is a mean; node metrics are as old.
const cpuWindow = time.Minute

// demands are the open jobs, taken together as the server does: by lane and, to the
// minute, by deadline or, without one, by arrival.
type demands struct {
	of map[demandKey]*demand
}

type demandKey struct {
	routine  bool
	deadline int64 // minutes; -1: none
	since    int64 // minutes, of those without a deadline
}

// demand sums its jobs up as they go on: there may be hundreds of thousands.
type demand struct {
	key      demandKey
	jobs     []*job // in the order of arrival, those before first ended
	first    int
	open     int
	begun    float64 // patches left of those that are begun
	waiting  float64 // guessed, of the others
	squares  float64 // sum of the squares of these guesses
	deadline time.Duration
	largest  float64 // of all that were ever in it
}

func (d *demands) add(j *job) {
	key := demandKey{routine: !j.Urgent, deadline: -1}
	if j.Deadline > 0 {
		key.deadline = int64(j.Deadline / time.Minute)
	} else {
		key.since = int64(j.Arrival / time.Minute)
	}
	if d.of == nil {
		d.of = map[demandKey]*demand{}
	}
	g := d.of[key]
	if g == nil {
		g = &demand{key: key, deadline: never}
		d.of[key] = g
	}
	j.in = g
	g.jobs = append(g.jobs, j)
	g.open++
	g.waiting += j.guess
	g.squares += j.guess * j.guess
	g.deadline = min(g.deadline, j.Deadline)
	g.largest = max(g.largest, j.guess)
}

// begin notes that a job was looked at: what it holds is known now.
func (g *demand) begin(j *job) {
	g.waiting -= j.guess
	g.squares -= j.guess * j.guess
	g.begun += float64(j.left)
	g.largest = max(g.largest, float64(j.left))
}

// scored notes patches of a job that are done.
func (g *demand) scored(j *job, patches int) {
	g.begun -= float64(patches)
	if j.left == 0 {
		g.open--
	}
}

// look returns all demands: urgent ones first, by deadline, what has none last, oldest first.
func (d *demands) look(guess float64) []autoscale.Demand {
	keys := make([]demandKey, 0, len(d.of))
	for key, g := range d.of {
		if g.open == 0 {
			delete(d.of, key)
			continue
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareKeys)
	list := make([]autoscale.Demand, len(keys))
	for i, key := range keys {
		list[i] = d.of[key].look(guess)
	}
	return list
}

func compareKeys(a, b demandKey) int {
	if a.routine != b.routine {
		if b.routine {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(uint64(a.deadline), uint64(b.deadline)); c != 0 {
		return c
	}
	return cmp.Compare(a.since, b.since)
}

// fewJobs are looked at one by one for the largest; of more, the largest that was ever
// in the demand will do.
const fewJobs = 50

func (g *demand) look(guess float64) autoscale.Demand {
	for g.jobs[g.first].left == 0 {
		g.jobs[g.first] = nil
		g.first++
	}
	d := autoscale.Demand{
		Urgent: !g.key.routine, Slides: g.open, Since: Epoch.Add(g.jobs[g.first].Arrival), Newest: Epoch.Add(g.jobs[len(g.jobs)-1].Arrival),
		Patches: max(g.begun+g.waiting, 0), Deviation: guess * math.Sqrt(max(g.squares, 0)), Largest: g.largest,
	}
	if rest := g.jobs[g.first:]; len(rest) <= fewJobs {
		d.Largest = 0
		for _, j := range rest {
			if left := float64(j.left); j.begun {
				d.Largest = max(d.Largest, left)
			} else {
				d.Largest = max(d.Largest, j.guess)
			}
		}
	}
	if g.key.deadline >= 0 {
		d.Deadline = Epoch.Add(g.deadline)
	}
	return d
}

// seen is a worker that was idle when the fleet was looked at.
type seen struct {
	id   int
	life uint32
}

// usage is what workers of a kind had done at a look.
type usage struct {
	at          time.Duration
	busy, ready []float64 // worker-seconds, by kind
}

// look is what the server and the target would say now, and who is idle.
func (r *run) look() (autoscale.Signals, [][]seen) {
	s := autoscale.Signals{Now: Epoch.Add(r.now), Demands: r.open.look(r.cfg.Guess), Shard: float64(r.cfg.Shard)}
	idleIDs := make([][]seen, len(r.pools))
	u := usage{r.now, make([]float64, len(r.pools)), make([]float64, len(r.pools))}
	for k := range r.pools {
		p := &r.pools[k]
		p.use(r.now)
		u.busy[k], u.ready[k] = p.busyTime, p.readyTime
		g := autoscale.Group{Kind: p.Kind, Ready: len(p.idle) + p.busy - p.leaving, Busy: p.busy - p.leaving}
		for _, id := range p.starting {
			g.Starting = append(g.Starting, Epoch.Add(max(r.workers[id].expected, r.now)))
		}
		for _, id := range p.idle {
			idleIDs[k] = append(idleIDs[k], seen{id, r.workers[id].life})
		}
		if len(r.use) > 0 {
			if ready := u.ready[k] - r.use[0].ready[k]; ready > 0 {
				g.CPUPercent = 100 * (u.busy[k] - r.use[0].busy[k]) / ready
			}
		}
		s.Groups = append(s.Groups, g)
	}
	for len(r.use) > 0 && r.now-r.use[0].at >= cpuWindow {
		r.use = r.use[1:]
	}
	r.use = append(r.use, u)
	return s, idleIDs
}

// decide asks the policy and moves the numbers. What is decided on is as old as the
// last look, but the clock is right.
func (r *run) decide(s autoscale.Signals, idleIDs [][]seen) {
	s.Now = Epoch.Add(r.now)
	d, asked := r.policy.Decide(s, r.past)
	r.past = append(autoscale.Trim(r.past, s.Now, r.policy.Window()), autoscale.NewRecord(s, d, asked))
	wanted := 0
	for k := range r.pools {
		p := &r.pools[k]
		n, ok := d.Wanted[p.Name]
		if !ok {
			n = p.present() // nothing was said
		}
		n = min(max(n, p.Min), p.Max)
		wanted += n
		r.scale(k, n, idleIDs[k])
	}
	r.tell.decided(r, wanted, d.Reason)
}
