//go:build e2e

package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"bcc/autoscale"
	"bcc/autoscale/kube"
	"bcc/fault"
)

const deploymentPath = "/apis/apps/v1/namespaces/" + namespace + "/deployments/workers"

// deploy makes the Deployment of a kind, of no workers yet.
func deploy(t *testing.T, p *plane, name string, replicas int) {
	t.Helper()
	labels := map[string]any{"app": name}
	p.must(t, http.MethodPost, "/apis/apps/v1/namespaces/"+namespace+"/deployments", map[string]any{
		"metadata": map[string]any{"name": name, "labels": map[string]any{kube.KindLabel: name}},
		"spec": map[string]any{"replicas": replicas, "selector": map[string]any{"matchLabels": labels}, "template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"terminationGracePeriodSeconds": 60, "containers": []any{map[string]any{"name": "worker", "image": "bcc"}}}}},
	}, nil)
}

func replicas(t *testing.T, p *plane, name string) int {
	t.Helper()
	var d appsv1.Deployment
	p.must(t, http.MethodGet, "/apis/apps/v1/namespaces/"+namespace+"/deployments/"+name, nil, &d)
	return int(*d.Spec.Replicas)
}

func target(t *testing.T, kubeconfig string) *kube.Target {
	t.Helper()
	cfg := kube.DefaultConfig()
	cfg.Kubeconfig, cfg.Timeout = kubeconfig, 5*time.Second
	k, err := kube.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// bounded is a target with the bounds that a command line gives.
type bounded struct {
	autoscale.Target
	most int
	die  func() bool // between decision and deed
}

func (b bounded) Groups(ctx context.Context) ([]autoscale.Group, error) {
	groups, err := b.Target.Groups(ctx)
	for i := range groups {
		groups[i].Max, groups[i].PatchesPerS = b.most, rate
	}
	return groups, err
}

func (b bounded) Scale(ctx context.Context, kind string, n int, idle []string) (int, error) {
	if b.die != nil && b.die() {
		return 0, errors.New("killed")
	}
	return b.Target.Scale(ctx, kind, n, idle)
}

// autoscaler is a loop that runs until it is stopped.
type autoscaler struct {
	stop func()
	mu   sync.Mutex
	last autoscale.Outcome
	errs []error
}

func startAutoscaler(t *testing.T, f *fleet, to autoscale.Target) *autoscaler {
	t.Helper()
	cfg := autoscale.DefaultConfig()
	cfg.Interval, cfg.Drain, cfg.UrgentDrain, cfg.Work.Keep = time.Second, 10*time.Second, 10*time.Second, 0
	policy, err := autoscale.New("work", cfg)
	if err != nil {
		t.Fatal(err)
	}
	a := &autoscaler{}
	loop := autoscale.DefaultLoopConfig()
	loop.Policy, loop.Source, loop.Target, loop.Interval = policy, f, to, time.Second
	loop.Patience = 2 * time.Second
	loop.Explain = func(o autoscale.Outcome) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.last = o
		if o.Err != nil {
			a.errs = append(a.errs, o.Err)
		}
	}
	l, err := autoscale.NewLoop(loop)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.Run(ctx) })
	a.stop = func() { cancel(); wg.Wait() }
	t.Cleanup(a.stop)
	return a
}

func (a *autoscaler) outcome() (autoscale.Outcome, []error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last, slices.Clone(a.errs)
}

func TestKubeFollowsTheBacklog(t *testing.T) {
	p := startPlane(t)
	deploy(t, p, "workers", 0)
	f := newFleet()
	kubelet := startKubelet(t, p, f.run)
	touch := func() {
		_ = p.ask(context.Background(), http.MethodPatch, deploymentPath, map[string]any{"metadata": map[string]any{"annotations": map[string]any{"touched": time.Now().String()}}}, nil)
	}
	wrong := startTrouble(t, p, touch)
	own := target(t, p.kubeconfig(t, "autoscaler", wrong.URL, "admin-token"))
	a := startAutoscaler(t, f, bounded{Target: own, most: 8})

	const wave = 6000 // a minute of one worker
	submitted := 0.0
	most := 0
	up := func() bool { n := replicas(t, p, "workers"); most = max(most, n); return n >= 4 }
	empty := func() bool {
		_, left, _ := f.account()
		return left == 0 && replicas(t, p, "workers") == 0
	}
	send := func() { f.add(wave); submitted += wave }

	send()
	p.until(t, "a wave brings workers", time.Minute, up)
	p.until(t, "they go when it is done", 90*time.Second, empty)

	for _, mode := range []string{"busy", "broken", "gone", "expired", "conflict", "unheard"} {
		before := replicas(t, p, "workers")
		wrong.mode.Store(mode)
		at := wrong.happened.Load()
		send()
		p.until(t, mode+": it is tried again", 20*time.Second, func() bool { return wrong.happened.Load() >= at+2 })
		if n := replicas(t, p, "workers"); n < before {
			t.Errorf("%s: %d replicas of %d: trouble is no reason to shrink", mode, n, before)
		}
		wrong.mode.Store("")
		p.until(t, mode+": over, workers come", time.Minute, up)
		p.until(t, mode+": over, they go", 90*time.Second, empty)
	}
	_, errs := a.outcome()
	kinds := map[fault.Kind]bool{}
	for _, err := range errs {
		kinds[fault.Of(err)] = true
		if fault.Of(err) == fault.Internal {
			t.Errorf("an error without a kind: %v", err)
		}
	}
	if !kinds[fault.Busy] || !kinds[fault.Unavailable] || !kinds[fault.Invalid] {
		t.Errorf("errors told: %v; want 429 busy, 500 unavailable, 401 invalid among them", errs)
	}

	// Killed between decision and deed, again and again, and another begins each time.
	a.stop()
	send()
	for n := range 4 {
		killed := make(chan struct{})
		var once sync.Once
		one := startAutoscaler(t, f, bounded{Target: own, most: 8, die: func() bool {
			if n == 3 { // the last one lives until it has made workers
				return false
			}
			once.Do(func() { close(killed) })
			return true
		}})
		if n < 3 {
			<-killed
			one.stop()
			continue
		}
		p.until(t, "the one that lives makes workers", time.Minute, up)
		p.until(t, "and lets them go", 90*time.Second, empty)
	}

	done, left, interrupted := f.account()
	p.until(t, "the last jobs end", 30*time.Second, func() bool { done, left, interrupted = f.account(); return done == submitted })
	if left != 0 || len(interrupted) > 0 {
		t.Errorf("%v of %v patches done, %v left; at work and asked to stop: %v", done, submitted, left, interrupted)
	}
	t.Logf("%.0f patches, at most %d workers, %d pods came and went, none of them at work", done, most, len(kubelet.ended()))
}

// The real controller ends the pods that are marked, in that order, and no busy one.
func TestKubeEndsTheIdleOnes(t *testing.T) {
	p := startPlane(t)
	deploy(t, p, "workers", 12)
	f := newFleet()
	kubelet := startKubelet(t, p, f.run)
	k := target(t, p.config)
	var names []string
	p.until(t, "twelve are ready", time.Minute, func() bool {
		groups, err := k.Groups(t.Context())
		return err == nil && groups[0].Ready == 12
	})
	if groups, err := k.Groups(t.Context()); err != nil || groups[0].StartUp <= 0 || groups[0].StartUp > time.Minute {
		t.Errorf("start-up %v, %v: want what the pods took", groups[0].StartUp, err)
	}
	f.mu.Lock()
	for name := range f.workers {
		names = append(names, name)
	}
	f.mu.Unlock()
	slices.Sort(names)
	idle := slices.Clone(names[3:9]) // three on each side are busy
	slices.Reverse(idle)

	scale := func(n int, want []string) {
		t.Helper()
		left, err := k.Scale(t.Context(), "workers", n, idle)
		if err != nil || left != 12-len(want) {
			t.Fatalf("left = %d, %v; want %d", left, err, 12-len(want))
		}
		p.until(t, fmt.Sprintf("%d are left", left), time.Minute, func() bool { return len(kubelet.ended()) >= len(want) })
		time.Sleep(500 * time.Millisecond) // those that go unasked would go now
		var gone []string
		for _, e := range kubelet.ended() {
			gone = append(gone, e.name)
		}
		slices.Sort(gone)
		want = slices.Sorted(slices.Values(want))
		if !slices.Equal(gone, want) {
			t.Fatalf("ended %v, want %v", gone, want)
		}
	}
	scale(10, idle[:2])
	scale(9, idle[:3])
	scale(0, idle)
}

func TestKubeSaysWhoMayNotAndWhatIsNotThere(t *testing.T) {
	p := startPlane(t)
	if _, err := target(t, p.config).Groups(t.Context()); fault.Of(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("no deployment: %v", err)
	}
	deploy(t, p, "workers", 1)
	stranger := target(t, p.kubeconfig(t, "stranger", p.url, "over"))
	if _, err := stranger.Groups(t.Context()); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "refused, or over") {
		t.Errorf("a token that is over: %v", err)
	}
}
