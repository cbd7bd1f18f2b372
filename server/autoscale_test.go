package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bcc/auth"
	"bcc/cohort"
	"bcc/server"
)

// signals is what an autoscaler reads of GET /autoscale.
type signals struct {
	Demands []cohort.Demand `json:"demands"`
	Workers []struct {
		ID, Kind string
		Draining bool
	} `json:"workers"`
	Shard  int            `json:"shard_patches"`
	Wanted map[string]any `json:"wanted"`
}

const wish = `{"wanted":{"cpu":7,"gpu":2},"reason":"80 slides by noon","policy":"work","target":"kube","at":"2026-11-23T10:00:00Z"}`

func (s *site) put(t testing.TB, path, body string) answer {
	t.Helper()
	return s.do(t, "PUT", path, strings.NewReader(body), "Content-Type", "application/json")
}

func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.wants(t, http.StatusOK).body, v); err != nil {
		t.Fatal(err)
	}
}

func TestAnAutoscalerReadsWhatIsToBeDoneAndSaysWhatItWants(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.Shard, c.Workers = 512, 1 })
	var before signals
	s.get(t, "/autoscale").into(t, &before)
	if before.Shard != 512 || before.Wanted != nil || len(before.Workers) > 0 && before.Workers[0].ID == "" {
		t.Errorf("%+v", before)
	}
	s.put(t, "/autoscale", wish).wants(t, http.StatusOK)
	var after signals
	s.get(t, "/autoscale").into(t, &after)
	if after.Wanted["reason"] != "80 slides by noon" {
		t.Errorf("what is wanted is not told on: %+v", after.Wanted)
	}
	var m struct {
		Workers struct {
			Wanted     int
			Autoscaler struct{ Reason, Policy, Target string }
		}
	}
	s.get(t, "/machine").into(t, &m)
	if m.Workers.Wanted != 7+2+1 || m.Workers.Autoscaler.Policy != "work" {
		t.Errorf("the machine page hears %+v", m.Workers)
	}
	metrics := string(s.get(t, "/metrics").body)
	for _, line := range []string{`bcc_workers_wanted{kind="cpu"} 7`, `bcc_workers_wanted{kind="gpu"} 2`, `bcc_workers_wanted{kind="serve"} 1`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

func TestWhatAnAutoscalerSaysIsChecked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, body := range map[string]string{
		"no kind":         `{"wanted":{},"at":"2026-11-23T10:00:00Z"}`,
		"a negative one":  `{"wanted":{"cpu":-1},"at":"2026-11-23T10:00:00Z"}`,
		"a billion":       `{"wanted":{"cpu":1000000000},"at":"2026-11-23T10:00:00Z"}`,
		"a name as label": `{"wanted":{"cpu\"} 1\n":1},"at":"2026-11-23T10:00:00Z"}`,
		"no time":         `{"wanted":{"cpu":1}}`,
		"a long reason":   `{"wanted":{"cpu":1},"at":"2026-11-23T10:00:00Z","reason":"` + strings.Repeat("x", 1001) + `"}`,
	} {
		if a := s.put(t, "/autoscale", body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if m := string(s.get(t, "/metrics").body); !strings.Contains(m, `bcc_workers_wanted{kind=""}`) {
		t.Error("what was refused is shown")
	}
}

// everyone is who each caller is.
type everyone auth.Principal

func (e everyone) Verify(string) (auth.Principal, error) { return auth.Principal(e), nil }

func TestOnlyAnOperatorSaysWhatIsWanted(t *testing.T) {
	t.Parallel()
	for who, want := range map[everyone]int{
		{}:                           http.StatusForbidden, // where requests without a key are let in
		{ID: "k1", Name: "lab"}:      http.StatusForbidden,
		{ID: "k2", Admin: true}:      http.StatusOK,
		{ID: "jwt:of-somebody-else"}: http.StatusForbidden,
	} {
		s := newServer(t, func(c *server.Config) { c.Verifier = who })
		a := s.put(t, "/autoscale", wish).wants(t, want)
		if want == http.StatusForbidden && !strings.Contains(string(a.body), "keys make --admin") {
			t.Errorf("%+v is not told which key: %s", who, a.body)
		}
		s.get(t, "/autoscale").wants(t, http.StatusOK) // as /machine
	}
}

func TestADemandIsSeenByItsDeadline(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	sha := s.post(t, "/slides?name=x.png", "image/png", string(slidePicture(t))).wants(t, 201).json(t)["upload"].(string)
	deadline := time.Now().Add(100 * time.Hour).UTC().Truncate(time.Second)
	order := fmt.Sprintf(`{"priority":"urgent","deadline":%q,"parameters":{"mpp_um":4},"slides":[{"upload":%q,"name":"hold"}]}`, deadline.Format(time.RFC3339), sha)
	id := s.post(t, "/cohorts", "application/json", order).wants(t, 201).json(t)["id"].(string)
	var now signals
	s.get(t, "/autoscale").into(t, &now)
	found := false
	for _, d := range now.Demands {
		found = found || d.Deadline != nil && d.Deadline.Equal(deadline) && d.Slides == 1 && d.Urgent && d.Patches > 0
	}
	if !found {
		t.Errorf("no demand by %v in %+v", deadline, now.Demands)
	}
	s.do(t, "DELETE", "/cohorts/"+id, nil).wants(t, 200)
}
