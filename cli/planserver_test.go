package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bcc/client"
	"bcc/fault"
)

// fleetServer answers as a server with this fleet.
func fleetServer(t *testing.T, f client.Fleet) string {
	t.Helper()
	f.Timestamp = time.Now()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/autoscale" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(f)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestARunningServerSaysWhatWaitsAndHowFastItsWorkersAre(t *testing.T) {
	t.Parallel()
	url := fleetServer(t, client.Fleet{
		Demands: []client.Demand{{Urgent: true, Slides: 2, Patches: 2000, Deviation: 300}, {Slides: 10, Patches: 18_000, Deviation: 400}},
		Workers: []client.FleetWorker{
			{ID: "a", Kind: "c7a.xlarge", CapacityPatchesPerS: 190}, {ID: "b", Kind: "c7a.xlarge", CapacityPatchesPerS: 210},
			{ID: "c", Kind: "attic", CapacityPatchesPerS: 50}, {ID: "d", Kind: "new"},
		},
	})
	var out, notes bytes.Buffer
	code := Run(context.Background(), []string{"plan", "--server", url, "--type", "c7a.xlarge", "--json"}, Streams{In: strings.NewReader(""), Out: &out, Err: &notes})
	var p planObject
	if err := json.Unmarshal(out.Bytes(), &p); code != 0 || err != nil {
		t.Fatalf("code %d, %v: %s", code, err, notes.String())
	}
	if p.Slides != 12 || p.Patches != 20_000 || math.Abs(p.PatchesDeviation-0.025) > 1e-9 {
		t.Errorf("%d slides, %v patches ± %v: want 12, 20000 ± 0.025", p.Slides, p.Patches, p.PatchesDeviation)
	}
	if p.Advised.PatchesPerS != 200 || p.Advised.Rate != "measured" {
		t.Errorf("%+v: want 200 patches a second, measured", p.Advised)
	}
	if !strings.Contains(notes.String(), "workers of the kind attic are left out") || strings.Contains(notes.String(), "kind new") {
		t.Errorf("notes %q", notes.String())
	}
}

func TestAServerWhereNothingWaitsHasNothingToPlan(t *testing.T) {
	t.Parallel()
	if _, err := backlog(client.Fleet{}); fault.Of(err) != fault.NotFound {
		t.Errorf("error %v", err)
	}
}
