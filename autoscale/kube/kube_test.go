package kube_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"bcc/autoscale/kube"
	"bcc/fault"
)

func TestItSaysWhatEachDeploymentHas(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	begun := time.Now().Add(-time.Hour).Truncate(time.Second)
	c.deploy("cpu-workers", "cpu", 5)
	c.add("cpu-workers", "cpu-a", begun, up, took(40*time.Second))
	c.add("cpu-workers", "cpu-b", begun, up, took(60*time.Second))
	c.add("cpu-workers", "cpu-c", begun, starting)
	c.add("cpu-workers", "cpu-d", begun, unplaced)
	c.add("cpu-workers", "cpu-gone", begun, up, ending)
	c.add("cpu-workers", "cpu-evicted", begun, failed)
	c.deploy("gpu", "", 2)

	groups, err := c.target(t).Groups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) != 2 || groups[0].Name != "cpu" || groups[1].Name != "gpu" {
		t.Fatalf("groups = %+v, want cpu by its label and gpu by its name", groups)
	}
	cpu := groups[0]
	if cpu.Ready != 2 || len(cpu.Starting) != 3 {
		t.Errorf("cpu: %d ready, %d starting; want 2, and 3 with the pod that is not there yet", cpu.Ready, len(cpu.Starting))
	}
	if cpu.StartUp != 40*time.Second {
		t.Errorf("cpu: start-up %v, want the lower median of 40 s and 60 s", cpu.StartUp)
	}
	if want := begun.Add(40 * time.Second); len(cpu.Starting) > 0 && !cpu.Starting[0].Equal(want) {
		t.Errorf("cpu-c is expected at %v, want %v", cpu.Starting[0], want)
	}
	if gpu := groups[1]; gpu.Present() != 2 || !gpu.Starting[0].IsZero() {
		t.Errorf("gpu: %+v, want two that come nobody knows when", gpu)
	}
}

func TestItScales(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		pods  map[string]func(*corev1.Pod)
		has   int
		to    int
		idle  []string
		left  int
		ended []string
	}{
		{"up", map[string]func(*corev1.Pod){"a": up}, 1, 7, nil, 7, nil},
		{"not at all", map[string]func(*corev1.Pod){"a": up}, 1, 1, []string{"a"}, 1, nil},
		{"down to the busy ones", map[string]func(*corev1.Pod){"a": up, "b": up, "c": up}, 3, 0, []string{"b"}, 2, []string{"b"}},
		{"down by the first idle ones", map[string]func(*corev1.Pod){"a": up, "b": up, "c": up}, 3, 2, []string{"c", "a"}, 2, []string{"c"}},
		{"down by what never started", map[string]func(*corev1.Pod){"a": up, "b": unplaced, "c": waiting}, 3, 1, nil, 1, []string{"b", "c"}},
		{"down by what crashes again and again", map[string]func(*corev1.Pod){"a": up, "b": crashing}, 2, 1, nil, 1, []string{"b"}},
		{"not past one that starts, which would go first", map[string]func(*corev1.Pod){"a": up, "b": starting}, 2, 1, []string{"a"}, 2, nil},
		{"down to nothing", map[string]func(*corev1.Pod){"a": up, "b": up}, 2, 0, []string{"a", "b"}, 0, []string{"a", "b"}},
		{"down by pods that are not there yet", map[string]func(*corev1.Pod){"a": up}, 3, 1, nil, 1, nil},
		{"not by one that is gone", map[string]func(*corev1.Pod){"a": up, "b": up}, 2, 1, []string{"x"}, 2, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newCluster(t)
			k.deploy("workers", "w", c.has)
			for name, as := range c.pods {
				k.add("workers", name, time.Now(), as)
			}
			left, err := k.target(t).Scale(t.Context(), "w", c.to, c.idle)
			if err != nil || left != c.left || k.replicas("workers") != c.left {
				t.Fatalf("left = %d (%d replicas), %v; want %d", left, k.replicas("workers"), err, c.left)
			}
			if ended := k.settle("workers"); !slices.Equal(ended, c.ended) {
				t.Errorf("ended %v, want %v", ended, c.ended)
			}
		})
	}
}

// Whatever is there, marked by whoever was killed before: a pod that works is not ended.
func TestItEndsNoneThatIsBusy(t *testing.T) {
	t.Parallel()
	k := newCluster(t)
	target, shrunk := k.target(t), 0
	for seed := range uint64(45) {
		if seed%15 == 14 { // its requests a second are bounded
			target = k.target(t)
		}
		r := rand.New(rand.NewPCG(6, seed))
		name := fmt.Sprintf("d%d", seed)
		n := 1 + r.IntN(9)
		k.deploy(name, name, n)
		busy := map[string]bool{}
		var idle []string
		for i := range n - r.IntN(2) {
			id := fmt.Sprintf("%s-%d", name, i)
			stage := []func(*corev1.Pod){up, up, up, up, unplaced, waiting, crashing, starting}[r.IntN(8)]
			k.add(name, id, time.Now().Add(-time.Duration(r.IntN(900))*time.Second), stage, marked(r.IntN(7)-3))
			if p := k.pod(id); r.IntN(2) == 0 && p.Status.Phase == corev1.PodRunning {
				idle = append(idle, id)
			} else {
				busy[id] = running(p)
			}
		}
		to := r.IntN(n + 1)
		left, err := target.Scale(t.Context(), name, to, idle)
		if err != nil || left < to || left > n {
			t.Fatalf("seed %d: left %d of %d, wanted %d: %v", seed, left, n, to, err)
		}
		ended := k.settle(name)
		shrunk += len(ended)
		for _, id := range ended {
			if busy[id] {
				t.Errorf("seed %d: %s is busy and was ended; idle %v, to %d, left %d", seed, id, idle, to, left)
			}
		}
	}
	if shrunk < 30 {
		t.Errorf("%d pods ended in all: this test tested little", shrunk)
	}
}

func TestItLeavesARolloutAlone(t *testing.T) {
	t.Parallel()
	k := newCluster(t)
	k.deploy("workers", "w", 2)
	k.add("workers", "a", time.Now(), up)
	k.add("workers", "b", time.Now(), up)
	k.deployments["workers"].Status.UpdatedReplicas = 1
	if left, err := k.target(t).Scale(t.Context(), "w", 0, []string{"a", "b"}); err != nil || left != 2 {
		t.Errorf("left = %d, %v; want both while a rollout goes on", left, err)
	}
	if left, err := k.target(t).Scale(t.Context(), "w", 4, nil); err != nil || left != 4 {
		t.Errorf("left = %d, %v; want 4: more never waits", left, err)
	}
}

func TestItReadsAgainWhenSomebodyElseWrote(t *testing.T) {
	t.Parallel()
	k := newCluster(t)
	k.deploy("workers", "w", 1)
	k.before(http.MethodPut, 2, func(http.ResponseWriter) bool { k.touch("workers"); return false })
	if left, err := k.target(t).Scale(t.Context(), "w", 3, nil); err != nil || left != 3 {
		t.Errorf("left = %d, %v; want 3 at the third attempt", left, err)
	}
	k.before(http.MethodPut, 100, func(http.ResponseWriter) bool { k.touch("workers"); return false })
	_, err := k.target(t).Scale(t.Context(), "w", 5, nil)
	if fault.Of(err) != fault.Busy || k.replicas("workers") != 3 {
		t.Errorf("err = %v, %d replicas; want busy, and 3 as they were", err, k.replicas("workers"))
	}
}

func TestItsErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		kind       fault.Kind
		says, hint string
	}{
		{401, fault.Invalid, "credentials are refused", "kubectl auth whoami"},
		{403, fault.Invalid, "the account may not", "Role"},
		{429, fault.Busy, "too much to do", ""},
		{500, fault.Unavailable, "kubernetes: list deployments", ""},
		{503, fault.Unavailable, "kubernetes: list deployments", ""},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			t.Parallel()
			k := newCluster(t)
			k.deploy("workers", "w", 1)
			k.before(http.MethodGet, 1, refuse(c.status, 0))
			target := k.target(t)
			_, err := target.Groups(t.Context())
			if fault.Of(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.says) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("err = %v (%v, hint %q); want %v, %q, hint %q", err, fault.Of(err), fault.HintOf(err), c.kind, c.says, c.hint)
			}
			if k.asked() != 1 {
				t.Errorf("%d requests, want one: repeating is the caller's", k.asked())
			}
			if _, err := target.Groups(t.Context()); err != nil {
				t.Errorf("asked again: %v", err)
			}
		})
	}
}

func TestItIsSilentAsLongAsItIsToldTo(t *testing.T) {
	t.Parallel()
	k := newCluster(t)
	k.deploy("workers", "w", 1)
	k.before(http.MethodGet, 1, refuse(429, 3600))
	target := k.target(t)
	_, first := target.Groups(t.Context())
	_, second := target.Scale(t.Context(), "w", 2, nil)
	if fault.Of(first) != fault.Busy || fault.Of(second) != fault.Busy || k.asked() != 1 {
		t.Errorf("errors %v and %v after %d requests; want both busy after one", first, second, k.asked())
	}
}

func TestItGoesOnAfterAnErrorBetweenMarksAndScale(t *testing.T) {
	t.Parallel()
	k := newCluster(t)
	k.deploy("workers", "w", 3)
	for _, name := range []string{"a", "b", "c"} {
		k.add("workers", name, time.Now(), up)
	}
	k.before(http.MethodPut, 1, refuse(500, 0))
	if left, err := k.target(t).Scale(t.Context(), "w", 2, []string{"a"}); err == nil || k.replicas("workers") != 3 {
		t.Fatalf("left = %d, err %v, %d replicas; want an error and 3", left, err, k.replicas("workers"))
	}
	// The next one, with nothing in mind: a has become busy, c is idle now.
	if left, err := k.target(t).Scale(t.Context(), "w", 2, []string{"c"}); err != nil || left != 2 {
		t.Fatalf("left = %d, %v", left, err)
	}
	if ended := k.settle("workers"); !slices.Equal(ended, []string{"c"}) {
		t.Errorf("ended %v, want c: the mark on a was an old one", ended)
	}
}

func TestItNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	k := newCluster(t)
	if _, err := k.target(t).Groups(t.Context()); fault.Of(err) != fault.NotFound || !strings.Contains(fault.HintOf(err), "kubectl label") {
		t.Errorf("no deployments: %v, hint %q", err, fault.HintOf(err))
	}
	k.deploy("workers", "w", 1)
	if _, err := k.target(t).Scale(t.Context(), "gpu", 2, nil); fault.Of(err) != fault.NotFound || !strings.Contains(err.Error(), "there are w") {
		t.Errorf("another kind: %v", err)
	}
	k.deploy("others", "w", 1)
	if _, err := k.target(t).Groups(t.Context()); fault.Of(err) != fault.Invalid {
		t.Errorf("two of a kind: %v", err)
	}
	k.Close()
	if _, err := k.target(t).Groups(t.Context()); fault.Of(err) != fault.Unavailable {
		t.Errorf("no server: %v", err)
	}
}

func TestItIsGivenItsAccess(t *testing.T) {
	t.Parallel()
	k := newCluster(t)
	k.deploy("workers", "w", 4)
	k.token = "secret"

	inPod := kube.DefaultConfig()
	inPod.Server, inPod.Account = k.URL, k.account(t, "secret")
	checkPresent(t, inPod, 4)

	file := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`{"kind": "Config", "apiVersion": "v1", "current-context": "old",
"clusters": [{"name": "c", "cluster": {"server": %q, "certificate-authority-data": %q}}], "users": [{"name": "u", "user": {"token": "secret"}}, {"name": "over", "user": {"token": "old"}}],
"contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u", "namespace": "lab"}}, {"name": "old", "context": {"cluster": "c", "user": "over", "namespace": "lab"}}]}`, k.URL, base64.StdEncoding.EncodeToString(k.ca()))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	byFile := kube.DefaultConfig()
	byFile.Kubeconfig, byFile.Context, byFile.Deployments = file, "lab", []string{"workers"}
	checkPresent(t, byFile, 4)

	byFile.Context = ""
	old, err := kube.New(byFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Groups(t.Context()); fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("a token that is over: %v, hint %q", err, fault.HintOf(err))
	}
	for name, c := range map[string]kube.Config{
		"no server":       {Selector: "a", Timeout: 1},
		"no account":      {Server: "https://k", Account: t.TempDir(), Selector: "a", Timeout: 1},
		"no such file":    {Kubeconfig: file + "x", Selector: "a", Timeout: 1},
		"no such context": {Kubeconfig: file, Context: "x", Selector: "a", Timeout: 1},
		"all deployments": {Kubeconfig: file, Timeout: 1},
		"broken labels":   {Kubeconfig: file, Selector: "a in b", Timeout: 1},
		"no time":         {Kubeconfig: file, Selector: "a"},
	} {
		if _, err := kube.New(c); fault.Of(err) != fault.Invalid && fault.Of(err) != fault.NotFound {
			t.Errorf("%s: %v (%v)", name, err, fault.Of(err))
		}
	}
}

func checkPresent(t *testing.T, cfg kube.Config, want int) {
	t.Helper()
	target, err := kube.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := target.Groups(t.Context())
	if err != nil || len(groups) != 1 || groups[0].Present() != want {
		t.Errorf("groups = %+v, %v; want one of %d", groups, err, want)
	}
}
