// Package kube moves the number of workers on Kubernetes: a kind of worker is a
// Deployment, a worker is a pod, and its ID is the pod's name.
//
// In: how many there should be, and which of them are idle. Out: the Deployment's
// scale subresource is set, after the pods that may go were marked so that its
// ReplicaSet picks them and no other. It asks the API server and keeps nothing that
// matters: one that is killed between two requests has left a mark or has not.
//
//	kube.go         Groups and Scale
//	deployments.go  what a Deployment says of its kind
//	pods.go         what a pod is doing, and in which order a ReplicaSet ends pods
//	config.go       how the API server is reached
//	api.go          the requests
//	errors.go       what their errors mean
package kube

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"bcc/autoscale"
	"bcc/fault"
)

const (
	conflicts = 4   // attempts of one Scale when somebody else writes the Deployment
	atOnce    = 200 // pods marked by one Scale: the rest goes with the next one
	writers   = 8   // of marks beside each other
)

// Target is autoscale.Target over the Deployments of one namespace.
type Target struct {
	cfg Config
	api *api
	log *slog.Logger

	mu   sync.Mutex
	said map[string]string // the last trouble logged, by kind
}

var _ autoscale.Target = (*Target)(nil)

// New returns the target. It asks nothing yet: an API server that does not answer now
// may do so later.
func New(cfg Config) (*Target, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	access, namespace, err := cfg.access()
	if err != nil {
		return nil, err
	}
	a, err := newAPI(access, namespace, cfg.Timeout)
	if err != nil {
		return nil, err
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Target{cfg: cfg, api: a, log: log, said: map[string]string{}}, nil
}

// Groups says what each Deployment has: pods that are ready, and pods that are on
// their way, those included that were asked for and are not there yet. A pod that is
// being ended counts no more. StartUp is how long the pods took that are ready.
func (t *Target) Groups(ctx context.Context) ([]autoscale.Group, error) {
	deployments, err := t.deployments(ctx)
	if err != nil {
		return nil, err
	}
	groups := make([]autoscale.Group, 0, len(deployments))
	for _, d := range deployments {
		pods, err := t.api.pods(ctx, d)
		if err != nil {
			return nil, err
		}
		t.tell(kindOf(d), trouble(pods))
		groups = append(groups, group(d, pods))
	}
	return groups, nil
}

// Scale sets the Deployment's replicas. To make them fewer it lets go, in this order,
// of pods that have not started to run and of those in idle; a ReplicaSet ends pods
// in an order of its own, so it stops before the first that may not go.
func (t *Target) Scale(ctx context.Context, kind string, n int, idle []string) (left int, err error) {
	if n < 0 {
		return 0, fault.New(fault.Invalid, "scale %s to %d workers: want 0 or more", kind, n)
	}
	for range conflicts {
		left, err = t.scale(ctx, kind, n, idle)
		if !errors.Is(err, errConflict) {
			return left, err
		}
	}
	return left, err
}

// scale is one attempt: it reads, marks, and writes only if nobody else wrote meanwhile.
func (t *Target) scale(ctx context.Context, kind string, n int, idle []string) (int, error) {
	d, err := t.deployment(ctx, kind)
	if err != nil {
		return 0, err
	}
	has := replicas(d)
	if n == has {
		return has, nil
	}
	if n > has {
		return n, t.api.scale(ctx, d, n)
	}
	if rolling(d) {
		// Pods of two versions: which of them go is not ours to say.
		t.log.Info("not shrunk while pods of another version are brought out", "kind", kind, "replicas", has)
		return has, nil
	}
	pods, err := t.api.pods(ctx, d)
	if err != nil {
		return has, err
	}
	present := slices.DeleteFunc(pods, func(p pod) bool { return p.gone })
	going := mayGo(present, idle)
	going = going[:min(len(going), max(len(present)-n, 0), atOnce)]
	left := min(max(n, len(present)-len(going)), has)
	if left == has {
		return has, nil
	}
	if err := t.mark(ctx, present, going); err != nil {
		return has, err
	}
	return left, t.api.scale(ctx, d, left)
}

// mark gives the pods that go a deletion cost below all others', the first the least,
// and takes an older mark from the others.
func (t *Target) mark(ctx context.Context, present, going []pod) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(writers)
	at := map[string]int{}
	for i, p := range going {
		at[p.name] = i - len(going) // -n to -1
	}
	for _, p := range present {
		if cost := at[p.name]; cost != p.cost && (cost < 0 || p.cost < 0) {
			eg.Go(func() error { return t.api.mark(ctx, p.name, cost) })
		}
	}
	return eg.Wait()
}

// tell logs why pods do not start, when it changes.
func (t *Target) tell(kind, trouble string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.said[kind] == trouble {
		return
	}
	if t.said[kind] = trouble; trouble != "" {
		t.log.Warn("pods do not start", "kind", kind, "why", trouble)
	}
}
