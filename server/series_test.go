package server_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/server"
	"bcc/telemetry/seriestest"
)

// TestTheNumberOfSeriesIsBounded has many slides asked for and looked at, with as many
// names, scales, keys and kinds of workers, and counts what a scrape holds.
func TestTheNumberOfSeriesIsBounded(t *testing.T) {
	t.Parallel()
	slides := 300
	if n, err := strconv.Atoi(os.Getenv("BCC_SLIDES")); err == nil { // make e2e-metrics: 30,000
		slides = n
	}
	begun := time.Now()
	reg := prometheus.NewRegistry()
	s := newServer(t, func(c *server.Config) { c.Registry = reg })
	kept := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second} // one connection: there are no ports for so many
	defer kept.CloseIdleConnections()
	ask := func(method, path, kind string, body io.Reader) int {
		r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		res, err := kept.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	picture := patchPicture(t)
	one := func(i int) {
		id := fmt.Sprintf("name%d", i)
		ask("GET", "/slides/"+id, "", nil)
		ask("GET", "/slides/"+id+"/"+id, "", nil)
		ask("GET", fmt.Sprintf("/slides/%s/slide_files/%d/%d_0.jpeg?%s", id, i%30, i, id), "", nil)
		ask(strings.ToUpper(id), "/cohorts/"+id, id+"/"+id, nil)
		if i%10 == 0 {
			form, kind := formOf(t, picture, id+".png", "mpp_um", fmt.Sprint(4+float64(i)/1e6))
			if status := ask("POST", "/predict", kind, form); status != http.StatusOK {
				t.Fatalf("slide %d: %d", i, status)
			}
			wish := fmt.Sprintf(`{"wanted":{"%s":1},"reason":"%s","policy":"%s","target":"%s","at":"2026-11-24T00:00:00Z"}`, id, id, id, id)
			if status := ask("PUT", "/autoscale", "application/json", strings.NewReader(wish)); status != http.StatusOK {
				t.Fatalf("kind %d: %d", i, status)
			}
		}
	}
	var first int
	for i := range slides {
		one(i)
		if i == 0 {
			first, _ = seriestest.Count(t, reg)
		}
	}
	n, labels := seriestest.Count(t, reg)
	if n > first || n > 200 {
		t.Errorf("%d series after %d slides, %d after the first", n, slides, first)
	}
	if named := strings.Count(strings.ToLower(labels), "name"); named != 1 { // the kind that is wanted now
		t.Errorf("%d labels hold a name", named)
	}
	t.Logf("%d series over %d slides in %v", n, slides, time.Since(begun))
}
