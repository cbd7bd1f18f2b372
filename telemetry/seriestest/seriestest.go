// Package seriestest counts what a scrape would hold, for tests.
package seriestest

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Count returns how many series there are, and the values of all their labels, a line each.
func Count(t testing.TB, g prometheus.Gatherer) (n int, labels string) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		n += len(f.GetMetric())
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				b.WriteString(l.GetValue() + "\n")
			}
		}
	}
	return n, b.String()
}
