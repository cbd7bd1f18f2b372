package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// pretend is an engine that takes the time.
type pretend time.Duration

func (p pretend) Again(context.Context) error {
	time.Sleep(time.Duration(p))
	return nil
}

func send(ctx context.Context, l Load) (LoadFigures, error) { return l.Run(ctx) }

func TestItComparesServersWithTheEngine(t *testing.T) {
	t.Parallel()
	server := func(score float64, extra time.Duration) Target {
		_, l := serve(t, func(w http.ResponseWriter, _ int) {
			time.Sleep(10*time.Millisecond + extra)
			fmt.Fprintf(w, `{"score":%v}`, score)
		})
		return Target{Address: l.Address, Key: l.Key}
	}
	looks := map[string]bool{}
	p := Predict{
		Name: "pretend", Ours: server(0.5, 10*time.Millisecond), Peers: []Target{server(0.75, 40*time.Millisecond)}, PatchPx: 64,
		One: pretend(10 * time.Millisecond), Bare: []Again{pretend(20 * time.Millisecond), pretend(20 * time.Millisecond)}, Batch: 2,
		Look: func(_ context.Context, picture []byte) error {
			looks[string(picture)] = true
			time.Sleep(time.Millisecond)
			return nil
		},
		Send: send, Clients: []int{1, 4}, Seconds: 0.1, Rounds: 2,
	}
	all, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 4 {
		t.Fatalf("%d comparisons, want two servers with two numbers of clients", len(all))
	}
	ours, theirs, many := all[0], all[1], all[2]
	if ours.Clients != 1 || theirs.Clients != 1 || many.Clients != 4 {
		t.Errorf("clients %d, %d, %d", ours.Clients, theirs.Clients, many.Clients)
	}
	if ours.EngineOne < 10 || ours.Added < 5 || theirs.Added < ours.Added+15 || ours.AddedLow > ours.Added || ours.AddedHigh < ours.Added {
		t.Errorf("added %v (%v to %v) and %v ms to %v, want about 10 and 40 to 10", ours.Added, ours.AddedLow, ours.AddedHigh, theirs.Added, ours.EngineOne)
	}
	if ours.LookOne < 1 || ours.ServedOne != 0 || many.EngineOne != 0 || many.Added != 0 || len(looks) < 2 {
		t.Errorf("look %v, served %v, and %v with four clients", ours.LookOne, ours.ServedOne, many.EngineOne)
	}
	// Two runners of two patches in 20 ms: 200 images/s at most; four clients of 20 ms the same.
	if many.EngineRate < 50 || many.EngineRate > 200 || many.Rate <= ours.Rate || many.RatioLow > many.Ratio || many.Ratio <= 0 {
		t.Errorf("engine %v, one client %v, four %v images/s, ratio %v", many.EngineRate, ours.Rate, many.Rate, many.Ratio)
	}
	if ours.Difference != 0 || theirs.Difference != 0.25 || ours.Status["200"] == 0 {
		t.Errorf("scores differ by %v and %v", ours.Difference, theirs.Difference)
	}
}

func TestItRefusesToMeasureWhatDoesNotPredict(t *testing.T) {
	t.Parallel()
	p := Predict{PatchPx: 64, Clients: []int{1}, Seconds: 1, Rounds: 1, Send: send}
	_, l := serve(t, func(w http.ResponseWriter, _ int) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "who are you")
	})
	p.Ours = Target{Name: "door", Address: l.Address}
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "answers 403: who are you") {
		t.Errorf("of a server that refuses: %v", err)
	}
	_, l = serve(t, func(w http.ResponseWriter, _ int) { _, _ = io.WriteString(w, "{}") })
	p.Ours = Target{Name: "mute", Address: l.Address}
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "without a score") {
		t.Errorf("of a server without a score: %v", err)
	}
	for _, wrong := range []Predict{{Rounds: 0, Clients: []int{1}, Seconds: 1}, {Rounds: 1, Seconds: 1}, {Rounds: 1, Clients: []int{1, 0}, Seconds: 1}, {Rounds: 1, Clients: []int{1}}} {
		if _, err := wrong.Run(t.Context()); err == nil {
			t.Errorf("measured %+v", wrong)
		}
	}
}

func TestAnOverloadIsAMultipleOfTheCapacity(t *testing.T) {
	t.Parallel()
	slots := make(chan struct{}, 8) // two at work, six waiting
	work := make(chan struct{}, 2)
	_, l := serve(t, func(w http.ResponseWriter, n int) {
		if n == 50 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		select {
		case slots <- struct{}{}:
		default:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		work <- struct{}{}
		time.Sleep(20 * time.Millisecond)
		<-work
		<-slots
		_, _ = io.WriteString(w, `{"score":0.5}`)
	})
	grown := int64(100)
	f, err := Overload{
		Target: Target{Address: l.Address, Key: l.Key, RSS: func() int64 { grown += 100; return grown }}, PatchPx: 64, Send: send,
		Clients: 6, CapacityS: 0.3, Factor: 4, Seconds: 0.4,
	}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Capacity < 20 || f.Capacity > 100 || f.Offered != 4*f.Capacity {
		t.Errorf("capacity %v, offered %v: two at once of 20 ms are 100 a second", f.Capacity, f.Offered)
	}
	if f.Status["200"] == 0 || f.Status["429"] == 0 || f.RetryAfter["1"] != f.Status["429"] || f.Refused.Count != f.Status["429"] {
		t.Errorf("answers %v, %v", f.Status, f.RetryAfter)
	}
	if got := f.Status["500"]; got > 1 || f.Others != got {
		t.Errorf("%d others, answers %v", f.Others, f.Status)
	}
	if f.P99Ratio != f.Accepted.P99/f.AtCapacity.P99 || f.P99Nearly != f.Accepted.P99/f.Nearly.P99 || f.Nearly.Count == 0 {
		t.Errorf("ratios %v and %v of %v", f.P99Ratio, f.P99Nearly, f.Accepted)
	}
	if f.RSSBefore != 200 || f.RSSEarly < 300 || f.RSSLate < f.RSSEarly || f.RSSMost < f.RSSLate || f.RSSAfter <= f.RSSMost {
		t.Errorf("memory %d, then %d to %d, at most %d, then %d", f.RSSBefore, f.RSSEarly, f.RSSLate, f.RSSMost, f.RSSAfter)
	}
}

func TestItKnowsWhatItUses(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	before := treeCPU(os.Getpid())
	for begin := CPUSeconds(); CPUSeconds() < begin+0.05; { // busy, not asleep
	}
	if used := treeCPU(os.Getpid()) - before; used < 0.02 || used > 60 {
		t.Errorf("%v s of processor for 0.05 s of work", used)
	}
	if m := treeMemory(os.Getpid()); m < 1<<20 || m > 2*treeRSS(os.Getpid()) {
		t.Errorf("memory of this process %d, by its pages %d", m, treeRSS(os.Getpid()))
	}
	if rss := treeRSS(os.Getpid()); rss < 1<<20 || rss < rssOf(os.Getpid())/2 {
		t.Errorf("%d bytes resident", rss)
	}
}
