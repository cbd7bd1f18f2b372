package cohort

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"bcc/queue"
)

// Load is how much work there is for all workers together.
type Load struct {
	SlidesWaiting int
	SlidesRunning int
	UrgentWaiting int           // of SlidesWaiting
	Patches       int           // left, guessed where slides were not looked at yet
	PatchesPerS   float64       // measured over the last minutes of work; 0: nothing was
	Drain         time.Duration // until nothing is left; 0: nothing is, or nothing is measured
}

// Load returns it as of now.
func (l *Ledger) Load() Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.all()
	rate, _ := l.rate()
	load := Load{SlidesWaiting: all.counts.Pending, SlidesRunning: all.counts.Running, PatchesPerS: rate}
	var patches float64
	for _, b := range l.open {
		patches += b.amount(all).patches // slides of a cohort are like each other: one overlap, one scanner
		if b.held() {
			load.SlidesWaiting -= b.counts.Pending // for a person, not for a worker
		} else if b.Priority == queue.Urgent {
			load.UrgentWaiting += b.counts.Pending
		}
	}
	load.Patches = int(patches)
	if rate > 0 {
		load.Drain = time.Duration(min(patches/rate, 1e9) * float64(time.Second))
	}
	return load
}

// rate returns the patches per second of all workers and how sure that is: as the
// ledger has seen, else as the workers say.
func (l *Ledger) rate() (perS float64, sure precision) {
	if perS, sure = l.meter.rate(); perS > 0 {
		return perS, sure
	}
	for _, w := range l.workers {
		perS += w.PatchesPerS
	}
	return perS, precision{}
}

// WorkerState is what a worker says of itself.
type WorkerState struct {
	ID          string   `json:"id"`
	Kind        string   `json:"kind"` // all whose machines are alike; empty: an older worker
	Host        string   `json:"host"`
	Devices     []string `json:"devices"`
	Runners     int      `json:"runners"`
	Jobs        int      `json:"jobs"`           // slides it walks at once
	Busy        int      `json:"busy"`           // slides it walks now
	Draining    bool     `json:"draining"`       // takes nothing new: it was told to end
	Gone        bool     `json:"gone,omitempty"` // its last word
	PatchesPerS float64  `json:"patches_per_s"`
	// CapacityPatchesPerS is what it scored per second of the time in which it had
	// something to do, over the last minutes of such time: known also while it is
	// idle. 0: nothing yet.
	CapacityPatchesPerS float64   `json:"capacity_patches_per_s"`
	CPUPercent          float64   `json:"cpu_percent"` // of its quota or of the cores that it may use, by everybody, 0 to 100, over the last seconds
	RSSBytes            uint64    `json:"rss_bytes"`
	Started             time.Time `json:"started"`
	Seen                time.Time `json:"seen"` // by the ledger, the last time
	Degraded            []string  `json:"degraded"`
	Version             string    `json:"version"`
	Model               string    `json:"model"` // name and version
	ModelSHA256         string    `json:"model_sha256"`
}

// A worker that says nothing for workerGone is not there any more; of more than
// maxWorkers none is taken down, for anybody on the queue could speak as one.
const (
	workerGone = 15 * time.Second
	maxWorkers = 10_000
)

// Workers returns those who are there, in the order of their IDs.
func (l *Ledger) Workers() []WorkerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetWorkers(time.Now())
	ws := make([]WorkerState, 0, len(l.workers))
	for _, w := range l.workers {
		ws = append(ws, w)
	}
	slices.SortFunc(ws, func(a, b WorkerState) int { return strings.Compare(a.ID, b.ID) })
	return ws
}

func (l *Ledger) forgetWorkers(now time.Time) {
	for id, w := range l.workers {
		if now.Sub(w.Seen) > workerGone {
			delete(l.workers, id)
		}
	}
}

// hearWorker takes down what a worker says of itself.
func (l *Ledger) hearWorker(_ string, data []byte) {
	var w WorkerState
	if json.Unmarshal(data, &w) != nil || w.ID == "" {
		return
	}
	if !ValidKind(w.Kind) {
		w.Kind = ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.Gone {
		delete(l.workers, w.ID)
		return
	}
	w.Seen = time.Now()
	if _, known := l.workers[w.ID]; known || len(l.workers) < maxWorkers {
		l.workers[w.ID] = w
		l.unpriced(w.Kind)
		l.mixed(w)
	}
}

// mostUnpriced is of how many kinds it is said that they have no price.
const mostUnpriced = 32

// unpriced says once of a kind that what its workers do counts as nothing, where others
// have a price: costs are too small then, and a cap holds too late or never. The caller
// holds mu.
func (l *Ledger) unpriced(kind string) {
	if _, has := l.cfg.Prices[kind]; has || len(l.cfg.Prices) == 0 || l.cfg.PricePerHour > 0 || l.said[kind] || len(l.said) >= mostUnpriced {
		return
	}
	if l.said == nil {
		l.said = map[string]bool{}
	}
	l.said[kind] = true
	l.log.Warn("workers of this kind have no price: what they do counts as nothing, also for caps", "kind", kind,
		"hint", "say what an hour of one costs: --price KIND=USD, or --price-per-hour for all others")
}

// ValidKind reports whether a kind of worker may be called so: it stands in metrics and
// on command lines.
func ValidKind(name string) bool {
	if name == "" || len(name) > 63 {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}
