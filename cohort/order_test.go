package cohort_test

import (
	"errors"
	"sync"
	"testing"

	"bcc/cohort"
)

func TestAnOrderIsOneCohortHoweverOftenItIsSubmitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	order := &cohort.Order{Key: "k", Body: "b"}
	asked := func() cohort.Manifest { return cohort.Manifest{Order: order, Slides: slides(3)} }
	submit := func(l *cohort.Ledger, m cohort.Manifest) string {
		t.Helper()
		got, err := l.Submit(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return got.ID
	}
	a, b := w.ledger(t), w.ledger(t)
	ids := make([]string, 4)
	var wg sync.WaitGroup
	for i := range ids { // at once, at two servers
		wg.Go(func() {
			l := a
			if i%2 == 1 {
				l = b
			}
			m, err := l.Submit(t.Context(), asked())
			if err != nil {
				t.Error(err)
			}
			ids[i] = m.ID
		})
	}
	wg.Wait()
	for _, id := range append(ids, submit(w.ledger(t), asked())) { // and at one started later
		if id != ids[0] || !cohort.ValidID(id) {
			t.Errorf("one order made the cohorts %v", ids)
		}
	}
	other := asked()
	other.Order = &cohort.Order{Key: "k", Body: "other"}
	if _, err := a.Submit(t.Context(), other); !errors.Is(err, cohort.ErrOtherOrder) {
		t.Errorf("another order of that key: %v", err)
	}
	other.Order = &cohort.Order{Key: "other", Body: "b"}
	if id := submit(a, other); id == ids[0] {
		t.Error("two keys made one cohort")
	}
	if id := submit(a, cohort.Manifest{Slides: slides(3)}); id == ids[0] {
		t.Error("what has no key is the cohort of one that has")
	}
	if err := a.Cancel(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	again := submit(a, asked())
	if again == ids[0] || again != submit(b, asked()) {
		t.Errorf("after it was cancelled the order is the cohort %s, at another server another", again)
	}
}
