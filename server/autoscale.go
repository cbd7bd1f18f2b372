package server

import (
	"net/http"
	"sync"
	"time"

	"bcc/cohort"
	"bcc/fault"
)

// signalsJSON answers GET /autoscale: what is to be done by when, and who is there.
type signalsJSON struct {
	Timestamp    time.Time       `json:"timestamp"`
	Demands      []cohort.Demand `json:"demands"`
	Workers      []signalWorker  `json:"workers"`
	ShardPatches int             `json:"shard_patches"` // that one worker takes of a slide at once
	QueueAgeS    float64         `json:"queue_age_s"`   // since when the oldest slide waits; 0: none does
	PatchesPerS  float64         `json:"patches_per_s"` // of all workers, while there is work
	Wanted       *wishJSON       `json:"wanted,omitempty"`
}

// signalWorker is a worker as far as it matters for how many there should be.
type signalWorker struct {
	ID                  string    `json:"id"`
	Kind                string    `json:"kind"`
	Host                string    `json:"host"`
	Busy                int       `json:"busy"` // slides and shards that it is at
	Jobs                int       `json:"jobs"` // slides that it walks at once
	Draining            bool      `json:"draining"`
	Started             time.Time `json:"started"`
	CapacityPatchesPerS float64   `json:"capacity_patches_per_s"`
	CPUPercent          float64   `json:"cpu_percent"`
}

// wishJSON is what an autoscaler has decided, and why.
type wishJSON struct {
	Wanted map[string]int `json:"wanted"` // workers by kind
	Reason string         `json:"reason"`
	Policy string         `json:"policy"`
	Target string         `json:"target"`
	At     time.Time      `json:"at"` // by the clock of who decided
}

// Bounds of what is taken of an autoscaler.
const (
	maxKinds  = 32
	maxWanted = 100_000
	maxReason = 1000 // bytes
	maxOther  = 63
	wishHolds = 5 * time.Minute
)

// KindInside is the kind of the workers in the server's own process, whose number
// nobody moves.
const KindInside = "serve"

// wish remembers what was wanted last, for a while. The zero value is that nothing was.
type wish struct {
	mu   sync.Mutex
	last *wishJSON
	at   time.Time // by our clock
}

func (w *wish) keep(now time.Time, what wishJSON) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.at = &what, now
}

// get returns nil where nobody has said for wishHolds what there should be.
func (w *wish) get(now time.Time) *wishJSON {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil || now.Sub(w.at) > wishHolds {
		return nil
	}
	return w.last
}

// getAutoscale answers GET /autoscale.
func (s *Server) getAutoscale(c *call) error {
	now := time.Now().UTC().Truncate(time.Millisecond)
	out := signalsJSON{
		Timestamp: now, Demands: s.cfg.Ledger.Demands(), Workers: []signalWorker{}, ShardPatches: s.cfg.Shard,
		PatchesPerS: round(s.cfg.Ledger.Load().PatchesPerS, 1), Wanted: s.wish.get(now),
	}
	for _, d := range out.Demands {
		if d.Since != nil {
			out.QueueAgeS = max(out.QueueAgeS, round(now.Sub(*d.Since).Seconds(), 3))
		}
	}
	for _, w := range s.cfg.Ledger.Workers() {
		out.Workers = append(out.Workers, signalWorker{
			ID: w.ID, Kind: w.Kind, Host: w.Host, Busy: w.Busy, Jobs: w.Jobs, Draining: w.Draining, Started: w.Started,
			CapacityPatchesPerS: round(w.CapacityPatchesPerS, 2), CPUPercent: round(w.CPUPercent, 1),
		})
	}
	c.sendJSON(http.StatusOK, out)
	return nil
}

// putAutoscale answers PUT /autoscale: an autoscaler says what it has decided, so that
// people and metrics can see it. Nothing here acts on it, but alerts do: a key that may
// only have slides looked at cannot raise one.
func (s *Server) putAutoscale(c *call) error {
	if s.cfg.Verifier != nil && !s.cfg.Local && !c.who.Admin {
		return refuse(http.StatusForbidden, "send an operator's key: bcc serve keys make --admin", "only an operator says how many workers are wanted")
	}
	var in wishJSON
	if err := c.readJSON(&in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	in.Reason, in.Policy, in.Target = plainText(in.Reason), plainText(in.Policy), plainText(in.Target)
	in.At = in.At.UTC()
	s.wish.keep(time.Now(), in)
	c.sendJSON(http.StatusOK, in)
	return nil
}

func (w *wishJSON) check() error {
	if n := len(w.Wanted); n < 1 || n > maxKinds {
		return fault.New(fault.Invalid, "wanted workers of %d kinds: want 1 to %d", n, maxKinds)
	}
	for kind, n := range w.Wanted {
		if !cohort.ValidKind(kind) {
			return fault.New(fault.Invalid, "kind %q: want up to 63 letters, digits, dots, dashes, underscores", short(kind))
		}
		if n < 0 || n > maxWanted {
			return fault.New(fault.Invalid, "%d workers of kind %s: want 0 to %d", n, kind, maxWanted)
		}
	}
	if len(w.Reason) > maxReason || len(w.Policy) > maxOther || len(w.Target) > maxOther {
		return fault.New(fault.Invalid, "reason, policy and target of %d, %d and %d bytes: want at most %d, %d and %d",
			len(w.Reason), len(w.Policy), len(w.Target), maxReason, maxOther, maxOther)
	}
	if w.At.IsZero() {
		return fault.New(fault.Invalid, "no time at which it was decided")
	}
	return nil
}

// wantedByKind is how many workers there should be. Without an autoscaler those of
// other machines come unasked, and stand under no kind.
func (s *Server) wantedByKind(present int) map[string]int {
	w := s.wish.get(time.Now())
	if w == nil {
		return map[string]int{"": max(s.cfg.Workers, present)}
	}
	all := map[string]int{}
	if s.cfg.Workers > 0 {
		all[KindInside] = s.cfg.Workers
	}
	for kind, n := range w.Wanted {
		all[kind] = n
	}
	return all
}

// wanted is their sum.
func (s *Server) wanted(present int) (sum int) {
	for _, n := range s.wantedByKind(present) {
		sum += n
	}
	return sum
}
