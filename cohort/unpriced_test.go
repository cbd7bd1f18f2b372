package cohort

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAKindWithoutAPriceIsSaidOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		prices   map[string]float64
		usd      float64
		expected int
	}{
		{"others have one", map[string]float64{"gpu": 1}, 0, 2},
		{"what holds for all others", map[string]float64{"gpu": 1}, 0.3, 0},
		{"nobody has", nil, 0, 0},
	} {
		var heard bytes.Buffer
		l := quiet(time.Now())
		l.cfg.Prices, l.cfg.PricePerHour, l.log = c.prices, c.usd, slog.New(slog.NewTextHandler(&heard, nil))
		for i, kind := range []string{"serve", "gpu", "serve", "cpu", "cpu"} {
			data, err := json.Marshal(WorkerState{ID: fmt.Sprint(i), Kind: kind})
			if err != nil {
				t.Fatal(err)
			}
			l.hearWorker("", data)
		}
		if n := strings.Count(heard.String(), "no price"); n != c.expected {
			t.Errorf("%s: said %d times, want %d: %s", c.name, n, c.expected, &heard)
		}
	}
}
