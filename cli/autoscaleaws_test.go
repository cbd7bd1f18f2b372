package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bcc/autoscale/aws/awstest"
	"bcc/client"
)

// running is a bcc that runs on, as a process of its own.
type running struct {
	cmd   *exec.Cmd
	mu    sync.Mutex
	said  bytes.Buffer
	ended chan struct{}
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.Write(b)
}

func (r *running) says() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.String()
}

// begin starts bcc, as testscript put it into PATH, with this and our environment.
func begin(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command("bcc", args...), ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr, r.cmd.Env, r.cmd.Dir = r, r, append(os.Environ(), env...), t.TempDir()
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(r.ended); _ = r.cmd.Wait() }()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
		if t.Failed() {
			t.Logf("bcc %s said\n%s", args[0], r.says())
		}
	})
	return r
}

// end asks it to end, where it has not by itself, and returns its exit code.
func (r *running) end(t *testing.T, by syscall.Signal) int {
	t.Helper()
	if by != 0 {
		_ = r.cmd.Process.Signal(by)
	}
	select {
	case <-r.ended:
	case <-time.After(60 * time.Second):
		t.Fatalf("it does not end: %s", r.says())
	}
	return r.cmd.ProcessState.ExitCode()
}

// soon waits until ok says so.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("60 s later: %s", what)
		}
	}
}

// scaleGroup starts bcc autoscale for the group of an API, a decision a second.
func scaleGroup(t *testing.T, s *scalingServer, a *awstest.API, more ...string) *running {
	t.Helper()
	args := []string{
		"autoscale", "--server", s.URL, "--patience", "1s", "--target", "aws", "--aws-region", awstest.Region, "--aws-group", awstest.Group, "--aws-endpoint", a.URL,
		"--kind", "name=" + awstest.Group + ",rate=1,start=1s,max=7", "--interval", "1s", "--keep", "0s",
	}
	env := []string{"AWS_ACCESS_KEY_ID=" + awstest.AKID, "AWS_SECRET_ACCESS_KEY=" + awstest.Secret, "AWS_SESSION_TOKEN=" + awstest.Session, "AWS_EC2_METADATA_DISABLED=true"}
	return begin(t, env, append(args, more...)...)
}

// state is what the group has.
func state(a *awstest.API) (desired, calls int, ended []string) {
	a.Do(func() { desired, calls, ended = a.Desired, len(a.Calls), slices.Clone(a.Ended) })
	return desired, calls, ended
}

// atWork are the instances of a group as workers that greet, the first of them busy.
func atWork(n, busy int) (all []client.FleetWorker) {
	for i := range n {
		w := client.FleetWorker{ID: awstest.ID(i), Kind: awstest.Group, Started: *anHour, CapacityPatchesPerS: 1}
		if i < busy {
			w.Busy, w.CPUPercent = 1, 90
		}
		all = append(all, w)
	}
	return all
}

var muchToDo = []client.Demand{{Slides: 40, Patches: 40_000, Largest: 1000, Since: anHour}}

func TestAutoScalingGroupsFollowTheWork(t *testing.T) {
	t.Parallel()
	s, a := newScalingServer(t, client.Fleet{Demands: muchToDo, ShardPatches: 512}), awstest.New(t, 0, 1, 10)
	r := scaleGroup(t, s, a)
	soon(t, "the group grows", func() bool { n, _, _ := state(a); return n == 7 })

	a.Launch()
	s.set(func(f *client.Fleet) { f.Workers = atWork(7, 7) })
	a.RefuseAll(403, "ExpiredToken")
	_, before, _ := state(a)
	soon(t, "it asks again and again", func() bool { _, n, _ := state(a); return n >= before+3 })
	a.RefuseAll(0, "")
	soon(t, "it goes on", func() bool { return strings.Count(r.says(), "msg=decided") == 2 })
	if n := strings.Count(r.says(), `msg="last decision kept"`); n != 1 || !strings.Contains(r.says(), "refused, or over: ExpiredToken") {
		t.Errorf("it says %d times that it keeps the last decision, want once", n)
	}
	if n, _, ended := state(a); n != 7 || len(ended) > 0 {
		t.Errorf("while the API refused: %d wanted, %v ended", n, ended)
	}

	s.set(func(f *client.Fleet) { f.Demands, f.Workers = []client.Demand{}, atWork(7, 2) })
	soon(t, "the idle ones are ended", func() bool { n, _, _ := state(a); return n == 2 })
	soon(t, "the server hears of it", func() bool { w := s.lastHeard(); return w.Wanted[awstest.Group] <= 2 && w.Target == "aws" })
	if code := r.end(t, syscall.SIGTERM); code != 0 || !strings.Contains(r.says(), "workers go on") {
		t.Errorf("exit code %d", code)
	}
	for _, i := range []int{0, 1} { // at work
		if m := a.Find(awstest.ID(i)); m.State != "InService" || !m.Protected {
			t.Errorf("%s is %s, protected: %v", m.ID, m.State, m.Protected)
		}
	}
	if len(a.Ended) != 5 || len(a.Taken) > 0 {
		t.Errorf("ended %v, and by chance %v", a.Ended, a.Taken)
	}
}

func TestAGroupThatCannotBeMovedIsToldAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		code   string
		exit   int
		says   string
		more   []string
	}{
		{"credentials are over", 403, "ExpiredToken", 2, "sts get-caller-identity", nil},
		{"no right", 403, "AccessDenied", 2, "docs/aws-autoscaling.md", nil},
		{"no such group", 0, "", 3, "no Auto Scaling group others in eu-central-1", []string{"--aws-group", "others"}},
		{"a name that is no kind", 0, "", 2, `--aws-group "lab/workers"`, []string{"--aws-group", "lab/workers"}},
		{"capacity in cores", 0, "", 4, "in vcpu, not in instances", nil},
		{"only looked at", 0, "", 0, "40,000 patches wanted", []string{"--dry-run", "--once"}},
		{"once", 0, "", 0, "wanted=7", []string{"--once"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, a := newScalingServer(t, client.Fleet{Demands: muchToDo, ShardPatches: 512}), awstest.New(t, 0, 2, 10)
			if c.exit == 4 {
				a.Unit = "vcpu"
			}
			a.RefuseAll(c.status, c.code)
			r := scaleGroup(t, s, a, c.more...)
			if code := r.end(t, 0); code != c.exit || !strings.Contains(r.says(), c.says) {
				t.Errorf("exit code %d, want %d, and %q", code, c.exit, c.says)
			}
			want := 2
			if c.name == "once" {
				want = 7
			}
			if n, _, _ := state(a); n != want {
				t.Errorf("%d wanted, want %d", n, want)
			}
		})
	}
}

// On a machine without a role the library that looks for one has something to say, too.
func TestNoCredentialsAreToldInOurWords(t *testing.T) {
	t.Parallel()
	noRole := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer noRole.Close()
	s := newScalingServer(t, client.Fleet{ShardPatches: 512})
	env := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_CONFIG_FILE=none", "AWS_SHARED_CREDENTIALS_FILE=none",
		"AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + noRole.URL}
	r := begin(t, env, "autoscale", "--server", s.URL, "--target", "aws", "--aws-region", awstest.Region, "--aws-group", awstest.Group)
	code := r.end(t, 0)
	if said := strings.Split(strings.TrimSpace(r.says()), "\n"); code != 2 || len(said) != 2 || !strings.HasPrefix(said[0], "bcc: error: --target aws: ") ||
		!strings.Contains(said[0], "no credentials for AWS") || !strings.HasPrefix(said[1], "bcc: hint: ") {
		t.Errorf("exit code %d", code)
	}
}
