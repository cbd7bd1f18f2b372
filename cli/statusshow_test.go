package cli

import (
	"slices"
	"testing"

	"bcc/client"
)

func TestWhatWasInferredIsToldFromWhatWasKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		done, looked int
		want         string
	}{
		{3918, 3918, "3918 patches looked at, 2 s of workers' time"},
		{3918, 0, "3918 patches, 3918 of them known from before; 2 s of workers' time"}, // another threshold
	} {
		w := &watching{}
		w.now.Counts = client.Counts{Submitted: 20, Done: 20}
		w.now.Patches.Done = c.done
		w.now.Cost = client.Cost{Patches: c.looked, ComputeS: 2}
		if got := w.pace(); got != c.want {
			t.Errorf("%d of %d looked at: %q, want %q", c.looked, c.done, got, c.want)
		}
	}
}

func TestWhatIsWrongWithTheFleetIsSaidWhileItMatters(t *testing.T) {
	t.Parallel()
	w := &watching{unwell: []string{"a worker has another store"}}
	w.now.Counts = client.Counts{Submitted: 1, Pending: 1}
	want := "  of the fleet: a worker has another store"
	if !slices.Contains(w.block(), want) {
		t.Errorf("not said: %q", w.block())
	}
	w.now.Counts = client.Counts{Submitted: 1, Done: 1}
	if slices.Contains(w.block(), want) {
		t.Errorf("said of what is over: %q", w.block())
	}
}

func TestNobodyWhoWorksIsSaidInPlaceOfAnEnd(t *testing.T) {
	t.Parallel()
	for want, set := range map[string]func(w *watching){
		"NO WORKER: nobody takes the work":                                                      func(*watching) {},
		"NO WORKER: nobody takes the work (2 wanted)":                                           func(w *watching) { w.wanted = 2 },
		"NO WORKER: nobody takes the work; as fast as before it would take 60 s (40 s to 90 s)": func(w *watching) { w.now.Forecast = &client.Forecast{RemainingS: 60, LowS: 40, HighS: 90} },
		"":                         func(w *watching) { w.now.Held = true }, // its cap is what matters
		"12 patches/s on 1 worker": func(w *watching) { w.now.Workers, w.now.PatchesPerS = 1, 12 },
	} {
		w := &watching{machine: true}
		w.now.Counts = client.Counts{Submitted: 1, Pending: 1}
		set(w)
		if got := w.pace(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
