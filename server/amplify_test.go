package server_test

import (
	"runtime"
	"strings"
	"testing"

	"bcc/server"
)

// Thirty megabytes of "{}," would be ten million slides, of a hundred bytes each and
// more while the list grows.
func TestAnOrderCostsNoMoreMemoryThanItsBytes(t *testing.T) {
	s := newServer(t, func(c *server.Config) { c.MaxSlides = 1000 })
	for kind, body := range map[string]string{
		"application/json": `{"slides":[` + strings.Repeat("{},", 5<<20) + `{}]}`,
		"text/csv":         "url\n" + strings.Repeat("x\n", 5<<20),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.post(t, "/cohorts", kind, body).wants(t, 400, "more than")
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 10*uint64(len(body)) {
			t.Errorf("%s: %d MB were allocated for %d", kind, grown>>20, len(body)>>20)
		}
	}
	s.post(t, "/cohorts", "application/json", "{"+manyFields(100)+"}").wants(t, 400, "more than 64 fields")
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + strings.Repeat("f", i+1) + `":1`)
	}
	return b.String()
}

func TestLargeBodiesAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	give := s.HoldBodies()
	large := `{"slides":[]` + strings.Repeat(" ", 250<<10) + `}`
	s.post(t, "/cohorts", "application/json", large).wants(t, 429, "large bodies")
	s.post(t, "/cohorts", "application/json", `{"slides":[]}`).wants(t, 400) // small ones always have room
	give()
	for range 150 { // what a body held is given back: together they are more than there is
		s.post(t, "/cohorts", "application/json", `{"slides":[]`+strings.Repeat(" ", 600<<10)+`}`).wants(t, 400)
	}
	give = s.HoldBodies()
	s.post(t, "/cohorts", "application/json", large).wants(t, 429)
	give()
}
