package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/server"
)

// TestStrangersMakeNoSeries has them ask for whatever they think of.
func TestStrangersMakeNoSeries(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s := newServer(t, func(c *server.Config) { c.Registry = reg })
	count := func() (n int, labels string) {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			n += len(f.GetMetric())
			labels += fmt.Sprint(f.GetMetric())
		}
		return n, labels
	}
	ask := func(i int) {
		s.do(t, fmt.Sprintf("METHOD%d", i), "/livez", nil)
		s.do(t, fmt.Sprintf("METHOD%d", i), fmt.Sprintf("/path-%d", i), nil)
		s.get(t, fmt.Sprintf("/cohorts/id%d", i))
		s.get(t, fmt.Sprintf("/slides/id%d/slide_files/%d/0_0.jpeg", i, i%20))
		s.do(t, "DELETE", fmt.Sprintf("/cohorts/id%d", i), nil)
	}
	ask(0)
	before, _ := count()
	for i := range 60 {
		ask(i + 1)
	}
	after, labels := count()
	if after > before || after > 200 {
		t.Errorf("%d series became %d", before, after)
	}
	for _, word := range []string{"METHOD", "path-", "id1"} {
		if strings.Contains(labels, word) {
			t.Errorf("a label holds %q", word)
		}
	}
}
