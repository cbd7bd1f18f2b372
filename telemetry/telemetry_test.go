package telemetry_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bcc/fault"
	"bcc/telemetry"
)

func TestTheLogIsOneObjectALineInUTC(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("not wanted")
	log.Info("ready", "slides", 3, "took", 1500*time.Millisecond)
	var line struct {
		Time   time.Time
		Msg    string
		Slides int
		TookS  float64 `json:"took_s"`
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Msg != "ready" || line.Slides != 3 || line.TookS != 1.5 || line.Time.Location() != time.UTC {
		t.Errorf("%s, %v", &out, err)
	}
	out.Reset()
	if log, err = telemetry.NewLogger(&out, "warn", "text"); err != nil {
		t.Fatal(err)
	}
	log.Info("not wanted")
	log.Warn("full")
	if s := out.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "level=WARN msg=full") {
		t.Errorf("%q", s)
	}
}

func TestWordsThatAreNoLevelOrFormatAreRefused(t *testing.T) {
	t.Parallel()
	for _, w := range [][2]string{{"loud", "json"}, {"info+2", "json"}, {"info", "xml"}, {"", "text"}} {
		if _, err := telemetry.NewLogger(nil, w[0], w[1]); fault.Of(err) != fault.Invalid {
			t.Errorf("%v: %v: want it refused", w, err)
		}
	}
}

func TestThePageHoldsTheGaugesByTheirNames(t *testing.T) {
	t.Parallel()
	r := telemetry.NewRegistry()
	g := telemetry.NewGauges(r, func() uint64 { return 4096 })
	g.Inferred(1500 * time.Millisecond)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		"\ninference_time_seconds 1.5\n", "\nmemory_usage_bytes 4096\n",
		`version="` + telemetry.Version + `"`, "\ngo_goroutines ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is missing in\n%s", want, w.Body)
		}
	}
}
