package autoscale

import (
	"maps"
	"slices"
	"time"
)

// maxRate is the most that a worker is believed, in patches per second: an H100 does
// some ten thousand of a small network (an estimate). What one says of itself in error
// must not make all others look as if they were not needed.
const maxRate = 1e6

// groups returns the kinds of workers that greet, and who of each has nothing to do.
func groups(workers []Worker) (all []Group, idle map[string][]string) {
	at := map[string]int{}
	idle = map[string][]string{}
	rated := map[string]int{}
	for _, w := range workers {
		if w.Draining {
			continue
		}
		i, ok := at[w.Kind]
		if !ok {
			i = len(all)
			at[w.Kind] = i
			all = append(all, Group{Kind: Kind{Name: w.Kind}})
		}
		g := &all[i]
		g.Ready++
		g.CPUPercent += min(max(w.CPUPercent, 0), 100)
		if w.PatchesPerS > 0 && w.PatchesPerS <= maxRate {
			g.PatchesPerS += w.PatchesPerS
			rated[w.Kind]++
		}
		if w.Busy {
			g.Busy++
		} else {
			idle[w.Kind] = append(idle[w.Kind], w.ID)
		}
	}
	for i := range all {
		all[i].CPUPercent /= float64(all[i].Ready)
		all[i].PatchesPerS /= float64(max(rated[all[i].Name], 1))
	}
	return all, idle
}

// merge puts together what the target and the fleet say of each kind. The target knows
// the bounds and who is paid for, the fleet who takes work and how fast. Whoever is
// paid for and takes no work yet is starting; a kind that the target does not know, of
// workers that somebody started by hand, does its work and is left as it is.
func (l *Loop) merge(own, fleet []Group, now, at time.Time) []Group {
	of := make(map[string]Group, len(fleet))
	for _, g := range fleet {
		of[g.Name] = g
	}
	merged := make([]Group, 0, len(own)+len(of))
	for _, g := range own {
		f := of[g.Name]
		delete(of, g.Name)
		k := l.known(g.Name)
		k.ours = true
		k.see(f, at)
		starting := max(g.Present()-f.Ready, 0)
		g.Ready, g.Busy, g.CPUPercent = f.Ready, f.Busy, f.CPUPercent
		if k.rate > 0 {
			g.PatchesPerS = k.rate
		}
		if k.startUp > 0 {
			g.StartUp = k.startUp
		}
		g.Starting = k.starting(starting, g, at, now.Sub(at))
		merged = append(merged, g)
	}
	for _, name := range sortedKeys(of) {
		g := of[name]
		g.Starting, g.Min, g.Max = nil, g.Ready, g.Ready
		merged = append(merged, g)
	}
	return merged
}

// kindState is what a loop learned of a kind.
type kindState struct {
	ours     bool          // the target's, too
	rate     float64       // patches per second, as last measured: known also while there are no workers
	startUp  time.Duration // from wanting one until it takes work; 0: not measured yet
	pending  []time.Time   // when those were wanted that do not take work yet
	present  int           // as the target had it after it was last asked
	ready    int
	silent   int       // started as the target sees it, and not heard of by the fleet
	silentAt time.Time // since when it is that many, by our clock
	stuck    time.Time // since when idle ones should go and none does; zero: they go
	told     bool      // that was said
	refused  time.Duration
	again    time.Time // when the target is asked again that refused
}

func (l *Loop) known(kind string) *kindState {
	k := l.kinds[kind]
	if k == nil {
		k = &kindState{}
		l.kinds[kind] = k
	}
	return k
}

// learns is the weight of the newest start-up among those measured: the last three or
// four count.
const learns = 0.3

// see learns from who takes work now.
func (k *kindState) see(f Group, at time.Time) {
	if f.PatchesPerS > 0 {
		k.rate = f.PatchesPerS
	}
	for came := f.Ready - k.ready; came > 0 && len(k.pending) > 0; came-- {
		took := at.Sub(k.pending[0])
		k.pending = k.pending[1:]
		if k.startUp == 0 {
			k.startUp = took
		}
		k.startUp += time.Duration(learns * float64(took-k.startUp))
	}
	k.ready = f.Ready
	k.pending = k.pending[:min(len(k.pending), max(k.present-k.ready, 0))] // called off, or too late to be of that start
}

// moved notes that the target has so many now.
func (k *kindState) moved(present int, at time.Time) {
	for range min(present-k.present, maxPending-len(k.pending)) {
		k.pending = append(k.pending, at)
	}
	k.present = present
}

// stays reports, once, that for so long some should have gone that are idle, and the
// target had nobody go.
func (k *kindState) stays(wanted, left, idle int, at time.Time, long time.Duration) bool {
	if left <= wanted || idle == 0 || left < k.present {
		k.stuck, k.told = time.Time{}, false
		return false
	}
	if k.stuck.IsZero() {
		k.stuck = at
	}
	first := !k.told && at.Sub(k.stuck) >= long
	k.told = k.told || first
	return first
}

// maxPending bounds what is remembered of starts.
const maxPending = 10_000

// starting returns when the n that take no work yet will: the latest of those that the
// target tells of, moved to the server's clock. Who is up for the target and silent
// for the fleet takes a start-up from when it became so, and is overdue then.
func (k *kindState) starting(n int, g Group, at time.Time, shift time.Duration) []time.Time {
	told := slices.Clone(g.Starting)
	slices.SortFunc(told, time.Time.Compare)
	told = told[max(len(told)-n, 0):]
	for i, t := range told {
		if !t.IsZero() {
			told[i] = t.Add(shift)
		}
	}
	if silent := n - len(told); silent != k.silent {
		k.silent, k.silentAt = silent, at
	}
	for range k.silent {
		told = append(told, k.silentAt.Add(g.StartUp+shift))
	}
	return told
}

// refuse lets a target rest that did not do what it was asked: as long as least, then
// twice as long each time, up to most.
func (k *kindState) refuse(at time.Time, least, most time.Duration) time.Duration {
	k.refused = min(max(2*k.refused, least), most)
	k.again = at.Add(k.refused)
	return k.refused
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// age tells how old signals are without comparing two machines' clocks: it counts since
// theirs last went on.
type age struct {
	theirs time.Time
	at     time.Time // by our clock, when it was seen
}

func (a *age) saw(theirs, at time.Time) time.Duration {
	if !theirs.Equal(a.theirs) {
		a.theirs, a.at = theirs, at
	}
	return at.Sub(a.at)
}

// since is the age where nothing came.
func (a *age) since(at time.Time) time.Duration {
	if a.at.IsZero() {
		return 0
	}
	return at.Sub(a.at)
}
