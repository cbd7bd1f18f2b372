package capacity

import (
	"strings"
	"testing"
)

func TestEachProblemOfATableStandsWithItsLine(t *testing.T) {
	t.Parallel()
	_, err := ReadCatalogue(strings.NewReader("type,vcpu,usd_per_hour\na,0,-1\nb,2,x\n"), "p.csv")
	want := `p.csv: line 2: vcpu "0": want a number from 1 to 10000; usd_per_hour "-1": want a number from 0 to 100000`
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `line 3: usd_per_hour "x"`) {
		t.Errorf("%v", err)
	}
	for v, want := range map[float64]string{1 << 30: "1073741824", 1e8: "100000000", 0.001: "0.001"} {
		if got := plain(v); got != want {
			t.Errorf("%v as %s", v, got)
		}
	}
}
