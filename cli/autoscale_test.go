package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"bcc/autoscale"
	"bcc/client"
	"bcc/fault"
)

// scalingServer is a server that says of its fleet what it is told, and hears what is
// wanted.
type scalingServer struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	hangUp bool   // it answers nothing
	raw    string // instead of what it knows
	asked  int    // requests
	says   client.Fleet
	heard  []client.Wish
}

// set changes it while nobody is answered.
func (s *scalingServer) set(change func(*client.Fleet)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.says)
}

func (s *scalingServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *scalingServer) lastHeard() client.Wish {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.heard) == 0 {
		return client.Wish{}
	}
	return s.heard[len(s.heard)-1]
}

func newScalingServer(t *testing.T, says client.Fleet) *scalingServer {
	t.Helper()
	s := &scalingServer{says: says, status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		if s.hangUp {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		if s.raw != "" {
			_, _ = w.Write([]byte(s.raw))
			return
		}
		if s.status != http.StatusOK {
			w.WriteHeader(s.status)
			fmt.Fprintf(w, `{"error":{"code":%d,"message":"planted","details":""}}`, s.status)
			return
		}
		if r.Method == http.MethodPut {
			var wish client.Wish
			if err := json.NewDecoder(r.Body).Decode(&wish); err != nil {
				t.Error(err)
			}
			s.heard = append(s.heard, wish)
		}
		says := s.says
		says.Timestamp = time.Now()
		_ = json.NewEncoder(w).Encode(says)
	}))
	t.Cleanup(s.Close)
	return s
}

// bcc runs a command line to its end.
func bcc(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	code = Run(ctx, args, Streams{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

var anHour = func() *time.Time { t := time.Now().Add(-time.Hour); return &t }()

func TestPrintSaysTheNumberAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newScalingServer(t, client.Fleet{Demands: []client.Demand{{Slides: 40, Patches: 40_000, Largest: 1000, Since: anHour}}, ShardPatches: 512})
	code, out, errs := bcc(t, "autoscale", "--server", s.URL, "--target", "print", "--once", "--kind", "name=cpu,rate=1,max=7")
	if code != 0 || out != "7\n" {
		t.Errorf("%d, %q, %s", code, out, errs)
	}
	if len(s.heard) != 1 || s.heard[0].Wanted["cpu"] != 7 || s.heard[0].Target != "print" || s.heard[0].Policy != "work" || s.heard[0].Reason == "" {
		t.Errorf("the server heard %+v", s.heard)
	}
	_, out, _ = bcc(t, "autoscale", "--server", s.URL, "--target", "print", "--once", "--json", "--kind", "name=cpu,rate=1,max=7", "--kind", "name=gpu,rate=1,max=7")
	if out != `{"kind":"cpu","wanted":7}`+"\n"+`{"kind":"gpu","wanted":7}`+"\n" {
		t.Errorf("%q", out)
	}
}

func TestADryRunExplainsAndDoesNothing(t *testing.T) {
	t.Parallel()
	by := time.Now().Add(time.Hour)
	s := newScalingServer(t, client.Fleet{
		Demands: []client.Demand{{Urgent: true, Deadline: &by, Slides: 3, Patches: 3000, Largest: 1000, Since: anHour}, {Slides: 40, Patches: 40_000, Largest: 1000, Since: anHour}},
		Workers: []client.FleetWorker{{ID: "a", Kind: "cpu", Busy: 1, CapacityPatchesPerS: 12.5, CPUPercent: 90}, {ID: "b", Kind: "cpu", Draining: true}},
	})
	dir := filepath.Join(t.TempDir(), "kept")
	args := []string{"autoscale", "--server", s.URL, "--target", "local", "--dir", dir, "--kind", "name=cpu,max=3", "--dry-run", "--once"}
	code, out, errs := bcc(t, args...)
	for _, want := range []string{"urgent, by ", "routine, no deadline, waits for 60 min: 40 slides, about 40,000 patches", "cpu  1 ready, 1 at work", "12.5 patches/s", "* work", "  cpu ", "  target "} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); code != 0 || len(s.heard) > 0 || len(left) > 0 || t.Failed() {
		t.Errorf("%d, heard %v, left %v: %s%s", code, s.heard, left, out, errs)
	}
	_, out, _ = bcc(t, append(args, "--json")...)
	var x explained
	if err := json.Unmarshal([]byte(out), &x); err != nil || len(x.Policies) != 3 || len(x.Demands) != 2 || x.Kinds[0].Ready != 1 || !x.Policies[0].Chosen {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAKeyThatIsMissingEndsIt(t *testing.T) {
	t.Parallel()
	s := newScalingServer(t, client.Fleet{})
	s.status = http.StatusUnauthorized
	code, out, errs := bcc(t, "autoscale", "--server", s.URL, "--target", "print")
	if code != fault.Exit(fault.New(fault.Invalid, "")) || out != "" || !strings.Contains(errs, "BCC_KEY") {
		t.Errorf("%d, %q, %s", code, out, errs)
	}
}

func TestWhatTheServerSaysIsReadAsSignals(t *testing.T) {
	t.Parallel()
	now, since, by := time.Now(), time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	f := fleetOf(client.Fleet{
		Timestamp: now, ShardPatches: 512,
		Demands: []client.Demand{{Urgent: true, Deadline: &by, Slides: 2, Patches: 10, Deviation: 3, Largest: 7, Since: &since}, {Slides: 1}},
		Workers: []client.FleetWorker{
			{ID: "old", Kind: "cpu", Started: now.Add(-time.Hour)}, {ID: "young", Kind: "cpu", Started: now, Busy: 2},
			{ID: "going", Started: now.Add(-time.Minute), Draining: true},
		},
	})
	want := autoscale.Demand{Urgent: true, Deadline: by, Slides: 2, Patches: 10, Deviation: 3, Largest: 7, Since: since}
	if !f.Now.Equal(now) || f.Shard != 512 || len(f.Demands) != 2 || f.Demands[0] != want || !f.Demands[1].Since.IsZero() || !f.Demands[1].Deadline.IsZero() {
		t.Errorf("%+v", f)
	}
	var ids []string
	for _, w := range f.Workers {
		ids = append(ids, w.ID)
	}
	if !slices.Equal(ids, []string{"young", "going", "old"}) || !f.Workers[0].Busy || f.Workers[2].Busy || !f.Workers[1].Draining || f.Workers[1].Kind != loneKind {
		t.Errorf("%+v", f.Workers)
	}
}

// groups is a target that has what it is told.
type groups []autoscale.Group

func (g groups) Groups(context.Context) ([]autoscale.Group, error) { return slices.Clone(g), nil }
func (g groups) Scale(context.Context, string, int, []string) (int, error) {
	return 0, nil
}

func TestKindsOfTheTargetAreAsTheCommandLineSays(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	n := &namedTarget{
		Target: groups{
			{Kind: autoscale.Kind{Name: "cpu", Max: 5, StartUp: 9 * time.Second}, Ready: 2},
			{Kind: autoscale.Kind{Name: "gpu", Min: 1}},
		},
		kinds: []autoscale.Kind{{Name: "cpu", PatchesPerS: 3, USDPerHour: 0.5, Max: 8}, {Name: "tpu", Max: 1}},
		base:  autoscale.Kind{Max: 10}, start: time.Minute,
		log: slog.New(slog.NewTextHandler(&log, nil)), told: map[string]bool{},
	}
	for range 2 {
		got, err := n.Groups(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		cpu := autoscale.Kind{Name: "cpu", PatchesPerS: 3, USDPerHour: 0.5, Max: 5, StartUp: 9 * time.Second}
		gpu := autoscale.Kind{Name: "gpu", Min: 1, Max: 10, StartUp: time.Minute}
		if got[0].Kind != cpu || got[0].Ready != 2 || got[1].Kind != gpu {
			t.Errorf("%+v", got)
		}
	}
	if strings.Count(log.String(), "kind=tpu") != 1 {
		t.Errorf("a kind that the target has not is told %q", log.String())
	}
}

func TestAWorkerIsStartedWithWhatWasGivenAndItsShareOfTheCores(t *testing.T) {
	f := localFlags{finish: time.Minute, worker: []string{"--queue", "nats://q", "--kind", "other"}}
	line, err := f.workerCommand("here")
	if err != nil || !slices.Equal(line[1:], []string{"worker", "--queue", "nats://q", "--kind", "other", "--kind", "here", "--finish", "1m0s"}) {
		t.Errorf("%v, %v", line, err)
	}
	t.Setenv("BCC_DRAIN", "1h")
	t.Setenv("BCC_QUEUE", "nats://q")
	t.Setenv("GOMAXPROCS", "9")
	env := workerEnvironment("3")
	for _, c := range []struct {
		v    string
		want bool
	}{{"BCC_DRAIN=1h", false}, {"BCC_QUEUE=nats://q", true}, {"GOMAXPROCS=9", false}, {"GOMAXPROCS=3", true}, {"PATH=" + os.Getenv("PATH"), true}} {
		if slices.Contains(env, c.v) != c.want {
			t.Errorf("the environment has %s: %v, want %v", c.v, !c.want, c.want)
		}
	}
}

// openScaler returns bcc autoscale before its first decision, and what it logs.
func openScaler(t *testing.T, args ...string) (*scaler, *bytes.Buffer) {
	t.Helper()
	var f autoscaleFlags
	fs := pflag.NewFlagSet("autoscale", pflag.ContinueOnError)
	f.register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := f.open(t.Context(), Streams{In: strings.NewReader(""), Out: io.Discard, Err: &log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s, &log
}

// What the server says may be missing, broken, or no server's.
func TestTheLastDecisionHoldsWhileTheServerIsNotToBeBelieved(t *testing.T) {
	t.Parallel()
	s := newScalingServer(t, client.Fleet{Demands: muchToDo, ShardPatches: 512})
	scaler, log := openScaler(t, "--server", s.URL, "--target", "print", "--kind", "name=cpu,rate=1,max=7")
	step := func() autoscale.Outcome { return scaler.loop.Step(t.Context()) }
	if o := step(); o.Err != nil || o.Left["cpu"] != 7 {
		t.Fatalf("%+v", o)
	}
	s.set(func(f *client.Fleet) { f.Demands = nil }) // would end them all
	for _, c := range []struct {
		says    string
		trouble func()
	}{
		{"does not answer: the connection broke off", func() { s.hangUp = true }},
		{"planted", func() { s.status = http.StatusInternalServerError }},
		{"cannot do it now: planted", func() { s.status = http.StatusServiceUnavailable }},
		{"is busy: planted", func() { s.status = http.StatusTooManyRequests }},
		{"BCC_KEY", func() { s.status = http.StatusUnauthorized }},
		{"says nothing of its fleet", func() { s.raw = "{}" }},
		{"is no bcc serve", func() { s.raw = "<html>log in</html>" }},
	} {
		log.Reset()
		s.set(func(*client.Fleet) { c.trouble() })
		for range 20 {
			if o := step(); o.Held == "" || o.Decision.Wanted["cpu"] != 7 || o.Left["cpu"] != 7 {
				t.Fatalf("%s: %+v", c.says, o)
			}
		}
		if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "last decision kept") || !strings.Contains(said, c.says) {
			t.Errorf("want one line that says %q: %s", c.says, said)
		}
		s.set(func(f *client.Fleet) { s.hangUp, s.status, s.raw, f.Demands = false, http.StatusOK, "", muchToDo })
		if o := step(); o.Held != "" || strings.Count(log.String(), "msg=decided") != 1 {
			t.Errorf("after %q: %+v, %s", c.says, o, log)
		}
	}
	s.Close()
	log.Reset()
	if o := step(); o.Left["cpu"] != 7 || !strings.Contains(log.String(), "does not answer: connection refused") {
		t.Errorf("%+v, %s", o, log)
	}
}

// refusing is a target that says nothing of its groups.
type refusing struct {
	groups
	err error
}

func (r refusing) Groups(context.Context) ([]autoscale.Group, error) { return nil, r.err }

func TestATargetThatIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	for kind, ends := range map[fault.Kind]bool{fault.Invalid: true, fault.NotFound: true, fault.Unsupported: true, fault.Busy: false, fault.Unavailable: false} {
		s := scaler{flags: &autoscaleFlags{target: "kube"}, target: refusing{err: fault.New(kind, "planted")}}
		if err := s.check(t.Context(), autoscale.DefaultConfig()); (err != nil) != ends || ends && fault.Of(err) != kind {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

func TestTheNarrowerBoundsCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		given, has, want [2]int // least, most
		bound            bool
	}{
		{[2]int{0, 8}, [2]int{0, 5}, [2]int{0, 5}, false},
		{[2]int{1, 8}, [2]int{2, 0}, [2]int{2, 8}, false}, // it does not say how many
		{[2]int{3, 8}, [2]int{0, 2}, [2]int{2, 2}, true},
		{[2]int{0, 3}, [2]int{5, 9}, [2]int{5, 5}, true},
		{[2]int{1, 8}, [2]int{0, 0}, [2]int{0, 0}, true}, // somebody has turned the group off
	} {
		n := &namedTarget{base: autoscale.Kind{Min: c.given[0], Max: c.given[1]}, bound: c.bound}
		if k := n.kind(autoscale.Kind{Name: "cpu", Min: c.has[0], Max: c.has[1]}); k.Min != c.want[0] || k.Max != c.want[1] {
			t.Errorf("%v, and the target has %v: %d to %d, want %v", c.given, c.has, k.Min, k.Max, c.want)
		}
	}
}

func TestWorkWaitsForMoreWhereAStartCosts(t *testing.T) {
	t.Parallel()
	usual := autoscale.DefaultWork()
	for _, c := range []struct {
		args            []string
		routine, urgent float64
	}{
		{[]string{"--target", "local"}, 0, 0},
		{[]string{"--target", "aws"}, usual.Gather, usual.GatherUrgent},
		{[]string{"--target", "local", "--gather", "0.5", "--gather-urgent", "0.2"}, 0.5, 0.2},
		{[]string{"--target", "kube", "--gather", "0"}, 0, usual.GatherUrgent},
	} {
		var f autoscaleFlags
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.register(fs)
		if err := fs.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		if w := f.work(); w.Gather != c.routine || w.GatherUrgent != c.urgent {
			t.Errorf("%v: %g and %g, want %g and %g", c.args, w.Gather, w.GatherUrgent, c.routine, c.urgent)
		}
	}
	for _, wrong := range []string{"NaN", "1.5"} {
		f := autoscaleFlags{target: "print"}
		f.gather, _ = strconv.ParseFloat(wrong, 64)
		if f.check() == nil {
			t.Errorf("--gather %s is taken", wrong)
		}
	}
}

func TestWhatAShortDrainCostsIsSaidBefore(t *testing.T) {
	t.Parallel()
	s := newScalingServer(t, client.Fleet{ShardPatches: 512})
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, ""},
		{[]string{"--drain", "2m"}, "--drain is shorter"},
		{[]string{"--urgent-drain", "90s"}, "--urgent-drain is shorter"},
		{[]string{"--drain", "2m", "--keep", "0"}, ""},
		{[]string{"--drain", "2m", "--policy", "cpu"}, ""},
	} {
		_, log := openScaler(t, append(c.args, "--server", s.URL, "--target", "print", "--kind", "name=cpu,start=2m")...)
		if n := strings.Count(log.String(), "level=WARN"); c.says == "" && n > 0 || c.says != "" && (n != 1 || !strings.Contains(log.String(), c.says)) {
			t.Errorf("%v: want %q: %s", c.args, c.says, log)
		}
	}
}

func TestFlagsOfAWorkerAreReadBeforeOneIsStarted(t *testing.T) {
	t.Parallel()
	s := newScalingServer(t, client.Fleet{ShardPatches: 512})
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--queue", "nats://127.0.0.1:1", "--store", "x", "--jobs", "2"}, 0, ""},
		{[]string{"--queu", "nats://127.0.0.1:1"}, 2, "after --: unknown flag: --queu"},
		{[]string{"--jobs", "many"}, 2, `"many" for "--jobs"`},
		{[]string{"--jobs", "2", "slide.tif"}, 2, `"slide.tif" is no flag`},
	} {
		dir := filepath.Join(t.TempDir(), "kept")
		code, _, errs := bcc(t, append([]string{"autoscale", "--server", s.URL, "--target", "local", "--dir", dir, "--once", "--"}, c.args...)...)
		if logs, _ := filepath.Glob(filepath.Join(dir, "*.log")); code != c.code || !strings.Contains(errs, c.says) || len(logs) > 0 {
			t.Errorf("%q: exit code %d, %d logs, want %d and %q: %s", c.args, code, len(logs), c.code, c.says, errs)
		}
	}
}
