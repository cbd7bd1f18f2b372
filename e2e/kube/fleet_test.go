//go:build e2e

package kube

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"bcc/autoscale"
)

const (
	rate    = 100.0                   // patches per second of a worker
	jobTime = 3 * time.Second         // a job takes; a loop looks several times meanwhile
	startUp = 1200 * time.Millisecond // the API server counts in seconds
)

// fleet is a queue of patches and the workers that take from it: one in each pod.
type fleet struct {
	mu          sync.Mutex
	left, done  float64
	workers     map[string]*labourer
	interrupted []string // workers that were asked to stop though they had been seen at work again and again
}

// labourer takes a job after the other; asked to stop it finishes the one it has.
type labourer struct {
	fleet         *fleet
	id, kind      string
	ready, busy   bool
	stopped, over bool
	seen          int // how often it was reported to be at the present job
	begins        time.Time
}

func newFleet() *fleet { return &fleet{workers: map[string]*labourer{}} }

// run is the kubelet's.
func (f *fleet) run(pod *corev1.Pod) process {
	w := &labourer{fleet: f, id: pod.Name, kind: pod.Labels["app"], begins: time.Now().Add(startUp)}
	f.mu.Lock()
	f.workers[w.id] = w
	f.mu.Unlock()
	go w.work()
	return w
}

func (w *labourer) work() {
	time.Sleep(time.Until(w.begins))
	for w.take() {
		time.Sleep(50 * time.Millisecond)
	}
}

// take takes a job where there is one, and walks it.
func (w *labourer) take() bool {
	f := w.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	if w.stopped {
		w.over, w.ready = true, false
		delete(f.workers, w.id)
		return false
	}
	w.ready = true
	if job := min(f.left, rate*jobTime.Seconds()); job > 0 {
		f.left -= job
		w.busy, w.seen = true, 0
		f.mu.Unlock()
		time.Sleep(jobTime)
		f.mu.Lock()
		w.busy = false
		f.done += job
	}
	return true
}

func (w *labourer) Ready() bool {
	w.fleet.mu.Lock()
	defer w.fleet.mu.Unlock()
	return w.ready
}

func (w *labourer) Ended() bool {
	w.fleet.mu.Lock()
	defer w.fleet.mu.Unlock()
	return w.over
}

func (w *labourer) Stop() {
	w.fleet.mu.Lock()
	defer w.fleet.mu.Unlock()
	w.stopped = true
	if w.busy && w.seen >= 2 { // a decision on what was seen last knew it
		w.fleet.interrupted = append(w.fleet.interrupted, w.id)
	}
}

// Fleet is of autoscale.Source.
func (f *fleet) Fleet(context.Context) (autoscale.Fleet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := autoscale.Fleet{Now: time.Now(), Shard: rate * jobTime.Seconds()}
	begun := 0.0
	for _, w := range f.workers {
		if w.ready {
			s.Workers = append(s.Workers, autoscale.Worker{ID: w.id, Kind: w.kind, Busy: w.busy, Draining: w.stopped, PatchesPerS: rate})
		}
		if w.busy {
			w.seen++
			begun += rate * jobTime.Seconds() / 2
		}
	}
	slices.SortFunc(s.Workers, func(a, b autoscale.Worker) int { return map[bool]int{true: -1, false: 1}[a.ID < b.ID] })
	if left := f.left + begun; left > 0 {
		s.Demands = []autoscale.Demand{{Deadline: s.Now.Add(12 * time.Second), Slides: 1 + int(left/1000), Patches: left, Largest: left, Since: s.Now}}
	}
	return s, nil
}

// add adds work.
func (f *fleet) add(patches float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left += patches
}

// account is how much is done and left, and who was interrupted.
func (f *fleet) account() (done, left float64, interrupted []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done, f.left, slices.Clone(f.interrupted)
}
