package cli

import (
	"slices"
	"testing"
	"time"

	"bcc/resources"
)

func TestAnEngineRestsOnceWhenItHasHadNothingToDo(t *testing.T) {
	t.Parallel()
	var r resting
	at := time.Now()
	for i, step := range []struct {
		after  time.Duration
		worked time.Duration
		want   bool
	}{
		{0, 0, false},
		{time.Hour, 0, false}, // it has not worked yet: there is nothing to give back
		{time.Second, 5, false},
		{restAfter - time.Second, 5, false},
		{time.Second, 5, true},
		{time.Hour, 5, false}, // once
		{time.Second, 9, false},
		{restAfter, 9, true},
	} {
		at = at.Add(step.after)
		if got := r.due(at, step.worked); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}

func TestOnlyGPUsThatCUDAShowsAreUsed(t *testing.T) {
	t.Parallel()
	all := []resources.GPU{{Index: 0, UUID: "GPU-aa"}, {Index: 1, UUID: "GPU-bb"}, {Index: 2, UUID: "GPU-cc"}}
	for visible, want := range map[string][]string{
		"":           nil,
		"-1":         nil,
		"2,0":        {"GPU-cc", "GPU-aa"},
		"GPU-b":      {"GPU-bb"},
		"1,7,0":      {"GPU-bb"}, // the list ends at what is not there
		"NoDevFiles": nil,
		"0, 1":       {"GPU-aa", "GPU-bb"},
	} {
		var got []string
		for i, g := range visibleOf(all, visible) {
			got = append(got, g.UUID)
			if g.Index != i {
				t.Errorf("%q: GPU %d is called %d", visible, i, g.Index)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", visible, got, want)
		}
	}
}
