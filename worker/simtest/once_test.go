package simtest

import (
	"fmt"
	"sync"
	"time"

	"bcc/wsi"
)

// run is the patches of a slide from one on.
type run struct {
	slide uint64
	first wsi.Cell
}

// once sees to it that nothing is scored again which was scored long enough ago, by
// somebody who had the time to keep it.
type once struct {
	mu   sync.Mutex
	done map[run]scored
}

type scored struct {
	at time.Time
	by *node
}

// Somebody who lived on for so long has kept what was scored; and whoever begins it
// so much later could have known.
const (
	keeping = time.Second
	knowing = 3 * time.Second
)

func (o *once) begin(r run) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	was, is := o.done[r]
	if !is || time.Since(was.at) < knowing {
		return nil
	}
	was.by.mu.Lock()
	defer was.by.mu.Unlock()
	if e := was.by.ends; !e.IsZero() && e.Sub(was.at) < keeping {
		return nil
	}
	return fmt.Errorf("patches from %+v on were scored %v ago by %s, and are scored again", r.first, time.Since(was.at), was.by.name)
}

func (o *once) end(r run, n *node) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.done[r] = scored{time.Now(), n}
}
