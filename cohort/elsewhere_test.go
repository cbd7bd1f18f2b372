package cohort_test

import (
	"errors"
	"strings"
	"testing"

	"bcc/blob"
	"bcc/cohort"
	"bcc/fault"
)

func TestAJobOfAnotherStoreIsNotBegun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := submit(t, w.ledger(t), 1)
	elsewhere, err := blob.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := w.queue.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = cohort.NewDesk(elsewhere, w.queue).Begin(t.Context(), l.Data)
	if !errors.Is(err, cohort.ErrElsewhere) || fault.Of(err) != fault.Unavailable || fault.HintOf(err) == "" {
		t.Errorf("%v: want that it is the wrong store", err)
	}
	if err := elsewhere.Create(t.Context(), "cohorts/"+cohort.NewID()+"/manifest.json", strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	_, err = cohort.NewDesk(elsewhere, w.queue).Begin(t.Context(), l.Data)
	if !errors.Is(err, cohort.ErrTakenAway) || errors.Is(err, cohort.ErrElsewhere) || fault.Of(err) != fault.Unavailable {
		t.Errorf("%v: want that the cohort was taken away", err)
	}
	d := cohort.NewDesk(w.store, w.queue)
	for range 2 {
		task, err := d.Begin(t.Context(), l.Data)
		if err != nil || task.Cohort != m.ID {
			t.Errorf("%+v, %v", task, err)
		}
	}
}
