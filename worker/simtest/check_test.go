package simtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing/synctest"
	"time"

	"bcc/blob"
	"bcc/cohort"
)

// seen is what each server has said of slides, the last time.
type seen map[*cohort.Ledger]map[string]said

type said struct {
	state cohort.State
	since time.Time
}

// written looks at what is written into the store while it is written.
func (f *fleet) written(op, key string, data []byte) {
	parts := strings.Split(key, "/")
	switch {
	case parts[0] == "cohorts" && op != "create" && (parts[2] == "manifest.json" || parts[2] == "ends" || parts[2] == "cancelled.json"):
		f.bad("%s of %s, which is the truth", op, key)
	case parts[0] == "results" && parts[2] == "result.json" && op != "delete":
		f.same(key, data)
	case parts[0] == "cohorts" && (parts[2] == "ends" || parts[2] == "cancelled.json"):
		f.mu.Lock()
		f.ends[key] = time.Now()
		f.mu.Unlock()
	}
}

// told looks at what is told: nobody begins what came to its end some time ago.
func (f *fleet) told(topic string, data []byte) {
	parts := strings.Split(topic, ".")
	if parts[0] != "cohort" || parts[2] != "begun" {
		return
	}
	var word struct {
		Index int `json:"i"`
	}
	if err := json.Unmarshal(data, &word); err != nil {
		f.bad("%s: %v", topic, err)
	}
	for _, key := range []string{endKey(parts[1], word.Index), "cohorts/" + parts[1] + "/cancelled.json"} {
		f.mu.Lock()
		at, is := f.ends[key]
		f.mu.Unlock()
		if ago := time.Since(at); is && ago > knowing {
			f.bad("%.5s slide %d is begun %v after its end", parts[1], word.Index, ago)
		}
	}
}

// same checks that a result says of its slide what a quiet run says.
func (f *fleet) same(key string, data []byte) {
	for sha, s := range f.shelf {
		if bytes.Contains(data, []byte(sha)) {
			if !bytes.Equal(data, s.result) {
				f.bad("%s differs from that of a quiet run", key)
			}
			return
		}
	}
	f.bad("%s is of no slide", key)
}

// check is what must hold at any moment.
func (f *fleet) check() {
	synctest.Wait()
	f.store.set(func(s *storage) { s.calm = true })
	defer f.store.set(func(s *storage) { s.calm = false })
	f.mu.Lock()
	servers := append([]*serverNode{}, f.servers...)
	f.mu.Unlock()
	for i, s := range servers {
		if s != nil {
			f.checkLedger(i, s.ledger)
		}
	}
	if !f.has(queueLost) {
		f.checkJobs()
	}
}

// checkLedger checks that the account adds up and that no end ever changes.
func (f *fleet) checkLedger(server int, l *cohort.Ledger) {
	sums, err := l.Summaries(context.Background(), "", true)
	if err != nil {
		f.bad("server %d: %v", server, err)
		return
	}
	if f.seen[l] == nil {
		f.seen[l] = map[string]said{}
	}
	for _, s := range sums {
		c := s.Counts
		if c.Submitted != c.Pending+c.Running+c.Done+c.Failed+c.Quarantined+c.Cancelled || c.Submitted != f.slides(s.Name) {
			f.bad("server %d, %.5s: %+v do not add up to %d", server, s.ID, c, f.slides(s.Name))
		}
		list, err := l.Slides(context.Background(), s.ID, 0, 100)
		if err != nil {
			f.bad("server %d, %.5s: %v", server, s.ID, err)
			continue
		}
		f.checkSlides(server, f.seen[l], s.ID, list)
	}
}

func (f *fleet) checkSlides(server int, before map[string]said, id string, list []cohort.Status) {
	f.mu.Lock()
	ending, is := f.ending[id]
	if !is && f.taken[id] == nil { // a submission that breaks off is cancelled
		ending, is = f.began, true
	}
	f.mu.Unlock()
	for i, s := range list {
		was := before[s.ID]
		if was.state.Final() && was.state != s.State && (!is || was.since.Before(ending)) {
			f.bad("server %d, %.5s slide %d: was %s, now %s", server, id, i, was.state, s.State)
		}
		if was.state != s.State {
			before[s.ID] = said{s.State, time.Now()}
		}
		if !s.State.Final() || s.State == cohort.Cancelled {
			continue
		}
		if _, is := f.store.Bytes(endKey(id, i)); !is {
			f.bad("server %d, %.5s slide %d: %s, but no end is in the store", server, id, i, s.State)
		}
		if want := f.shelf[s.Slide.SHA256].fate.end(); s.State != want {
			f.bad("server %d, %.5s slide %d: %s, want %s: %+v", server, id, i, s.State, want, s.End.Problem)
		}
	}
}

// checkJobs checks that a slide of a cohort that was taken has its end or a job.
func (f *fleet) checkJobs() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, o := range f.taken {
		for i := range o.slides {
			_, ended := f.store.Bytes(endKey(id, i))
			if _, ending := f.ending[id]; !ended && !ending && !f.queue.Has(o.lane, cohort.SlideID(id, i)) {
				f.mu.Unlock()
				f.bad("%.5s slide %d has no end and no job", id, i)
				f.mu.Lock()
			}
		}
	}
}

// slides is how many a cohort of that name has.
func (f *fleet) slides(name string) int {
	for _, o := range f.cohorts {
		if o.name == name {
			return len(o.slides)
		}
	}
	return -1
}

func endKey(id string, i int) string { return fmt.Sprintf("cohorts/%s/ends/%d.json", id, i) }

// over reports whether nothing is left to be done.
func (f *fleet) over() bool {
	f.mu.Lock()
	servers, wanted := append([]*serverNode{}, f.servers...), f.wanted
	f.mu.Unlock()
	if wanted > 0 || !f.queue.Empty() {
		return false
	}
	for _, s := range servers {
		if s == nil {
			return false
		}
		sums, _ := s.ledger.Summaries(f.ctx, "", true)
		if len(sums) < f.manifests() {
			return false
		}
		for _, c := range sums {
			if c.Counts.Pending+c.Counts.Running > 0 {
				return false
			}
		}
	}
	for id := range f.ending {
		if !f.struck[id] {
			return false
		}
	}
	return true
}

// manifests counts the cohorts in the store, those of submissions that broke off too.
func (f *fleet) manifests() (n int) {
	for info := range f.store.Memory.List(context.Background(), "cohorts/") {
		if strings.HasSuffix(info.Key, "/manifest.json") {
			n++
		}
	}
	return n
}

// left says what is not over.
func (f *fleet) left() string {
	var b strings.Builder
	q, _ := f.queue.Backlog(context.Background())
	fmt.Fprintf(&b, "queue %+v, %d cohorts not taken, %d manifests", q, f.wanted, f.manifests())
	for i, s := range f.servers {
		if s == nil {
			continue
		}
		sums, _ := s.ledger.Summaries(f.ctx, "", true)
		for _, c := range sums {
			fmt.Fprintf(&b, "; server %d %.5s %+v", i, c.ID, c.Counts)
		}
	}
	return b.String()
}

// tidy checks that workers which were stopped left no files.
func (f *fleet) tidy() {
	if left, err := os.ReadDir(f.scratch); err != nil || len(left) > 0 {
		f.bad("%d temporary files are left, %v", len(left), err)
	}
}

// final is what must hold when all is over, and for a server that has just begun.
func (f *fleet) final() {
	f.check()
	f.store.set(func(s *storage) { s.calm = true })
	n := &node{name: "fresh"}
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = storeLink{n, f.store}, queueLink{n, f.queue, f.told}
	l, err := cohort.Open(context.Background(), cfg)
	if err != nil {
		f.bad("open a ledger in the end: %v", err)
		return
	}
	defer l.Close()
	f.checkLedger(-1, l)
	sums, _ := l.Summaries(context.Background(), "", true)
	known := map[string]bool{}
	for _, s := range sums {
		known[s.ID] = true
		list, _ := l.Slides(context.Background(), s.ID, 0, 100)
		for i, v := range list {
			f.finalSlide(s.ID, i, v)
		}
	}
	for id := range f.taken {
		if !known[id] {
			f.bad("cohort %.5s was taken and is not there", id)
		}
	}
}

func (f *fleet) finalSlide(id string, i int, s cohort.Status) {
	f.mu.Lock()
	_, ending := f.ending[id]
	f.mu.Unlock()
	if f.taken[id] != nil && !ending && s.State == cohort.Cancelled || !s.State.Final() {
		f.bad("%.5s slide %d: %s in the end", id, i, s.State)
	}
	if s.State != cohort.Done {
		return
	}
	if err := blob.CheckSet(context.Background(), f.store.Memory, "results/"+s.End.Result); err != nil {
		f.bad("%.5s slide %d: %v", id, i, err)
		return
	}
	data, _ := f.store.Bytes("results/" + s.End.Result + "/result.json")
	if !bytes.Equal(data, f.shelf[s.Slide.SHA256].result) {
		f.bad("%.5s slide %d: its result is not that of a quiet run", id, i)
	}
}
