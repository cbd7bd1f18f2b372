package cohort_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
)

// capLists counts how often the store is asked for a cohort's caps.
type capLists struct {
	blob.Store
	n atomic.Int32
}

func (c *capLists) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	if strings.HasSuffix(prefix, "/caps/") {
		c.n.Add(1)
	}
	return c.Store.List(ctx, prefix)
}

// desk returns one that asks the store for caps at each slide.
func (w *world) desk() *cohort.Desk {
	d := cohort.NewDesk(w.store, w.queue)
	d.RememberCaps(0)
	return d
}

func TestCapsAreNotAskedForAtEachSlide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, store := w.ledger(t, atPrices), &capLists{Store: w.store}
	d := cohort.NewDesk(store, w.queue)
	d.RememberCaps(time.Hour)
	deaf, err := d.Listen(func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer deaf()
	m := submitCapped(t, l, 12, usd(0.1))
	for range 10 {
		if err := w.end(t, d, took(9.9, "")); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the ledger knows what was spent", func() bool { return *summary(t, l, m.ID).Cost.USD > 0.098 })
	if n := store.n.Load(); n != 1 {
		t.Errorf("the store was asked for caps %d times for 10 slides", n)
	}

	// The word that it is reached has the store asked at once.
	task, lease, err := begin(t, w, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.End(t.Context(), task, took(5, "")), lease.Done(t.Context())); err != nil {
		t.Fatal(err)
	}
	_, lease, err = begin(t, w, d)
	until(t, "it is held", func() bool {
		if err == nil {
			_, err = d.Begin(t.Context(), lease.Data)
		}
		return errors.Is(err, cohort.ErrCapped)
	})

	// And what is reached is asked for each time, so that it goes on when it is raised.
	n := store.n.Load()
	if _, err := d.Begin(t.Context(), lease.Data); !errors.Is(err, cohort.ErrCapped) || store.n.Load() != n+1 {
		t.Errorf("%v, after %d lists", err, store.n.Load()-n)
	}
	if err := l.SetCap(t.Context(), m.ID, usd(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Begin(t.Context(), lease.Data); err != nil {
		t.Errorf("raised, and not begun: %v", err)
	}
}

func TestACapHoldsSoonWhereItsWordIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	l, store := w.ledger(t, atPrices), &capLists{Store: w.store}
	d := cohort.NewDesk(store, w.queue) // does not listen
	d.RememberCaps(50 * time.Millisecond)
	m := submitCapped(t, l, 3, usd(0.01))
	if err := w.end(t, d, took(15, "")); err != nil {
		t.Fatal(err)
	}
	until(t, "it is held", func() bool { return summary(t, l, m.ID).Held })
	_, lease, err := begin(t, w, d)
	until(t, "the desk knows", func() bool {
		if err == nil {
			_, err = d.Begin(t.Context(), lease.Data)
		}
		return errors.Is(err, cohort.ErrCapped)
	})
}
