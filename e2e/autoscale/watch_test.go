//go:build e2e

package autoscale

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// watcher looks all the time how many workers there are, and whether each slide is
// somewhere.
type watcher struct {
	mu    sync.Mutex
	begun time.Time
	seen  []int // each change
	at    []time.Duration
	end   chan struct{}
	over  sync.WaitGroup
}

func (h *house) watch(t *testing.T) *watcher {
	t.Helper()
	w := &watcher{begun: time.Now(), end: make(chan struct{})}
	w.over.Go(func() {
		for {
			w.saw(t, len(h.workers(t)))
			h.all(t)
			select {
			case <-w.end:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	t.Cleanup(w.stop)
	return w
}

func (w *watcher) saw(t *testing.T, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n > most {
		t.Errorf("%d workers, at most %d are allowed", n, most)
	}
	if len(w.seen) == 0 || w.seen[len(w.seen)-1] != n {
		w.seen, w.at = append(w.seen, n), append(w.at, time.Since(w.begun))
	}
}

func (w *watcher) now() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return 0
	}
	return w.seen[len(w.seen)-1]
}

func (w *watcher) until(t *testing.T, what string, is func(workers int) bool) {
	t.Helper()
	until(t, what, func() bool { return is(w.now()) })
}

func (w *watcher) stop() {
	w.mu.Lock()
	select {
	case <-w.end:
	default:
		close(w.end)
	}
	w.mu.Unlock()
	w.over.Wait()
}

// story is how many there were when.
func (w *watcher) story() string {
	var parts []string
	for i, n := range w.seen {
		parts = append(parts, fmt.Sprintf("%d at %.0f s", n, w.at[i].Seconds()))
	}
	return strings.Join(parts, ", ")
}

func httpGet(url string) (string, error) {
	res, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", url, res.Status)
	}
	return string(b), err
}
