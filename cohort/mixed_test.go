package cohort

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestSeveralVersionsAtWorkAreSaidOnce(t *testing.T) {
	t.Parallel()
	old := WorkerState{ID: "old", Version: "0.1.0", ModelSHA256: "a"}
	next := WorkerState{ID: "new", Version: "0.2.0", ModelSHA256: "a"}
	model := WorkerState{ID: "other", Version: "0.2.0", ModelSHA256: "b"}
	gone := old
	gone.Gone = true
	for _, c := range []struct {
		name     string
		heard    []WorkerState
		expected int
	}{
		{"all alike", []WorkerState{old, {ID: "older", Version: "0.1.0", ModelSHA256: "a"}, old}, 0},
		{"two versions", []WorkerState{old, next, old, next, old}, 1},
		{"and another model", []WorkerState{old, next, model, model}, 2},
		{"one after the other", []WorkerState{old, gone, next, next}, 0},
	} {
		var log bytes.Buffer
		l := quiet(time.Now())
		l.log = slog.New(slog.NewTextHandler(&log, nil))
		for _, w := range c.heard {
			data, err := json.Marshal(w)
			if err != nil {
				t.Fatal(err)
			}
			l.hearWorker("", data)
		}
		if n := strings.Count(log.String(), "several versions"); n != c.expected {
			t.Errorf("%s: said %d times, want %d: %s", c.name, n, c.expected, &log)
		}
	}
}
