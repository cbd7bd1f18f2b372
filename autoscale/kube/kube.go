// Package kube moves the number of workers on Kubernetes: a kind of worker is a
// Deployment, a worker is a pod, and its ID is the pod's name.
//
// In: how many there should be, and which of them are idle. Out: the Deployment's
// scale subresource is set, after the pods that may go were marked so that its
// ReplicaSet picks them and no other. It asks the API server and keeps nothing that
// matters: one that is killed between two requests has left a mark or has not.
//
//	kube.go    Groups and Scale
//	config.go  how the API server is reached
//	pods.go    what a pod is doing, and in which order a ReplicaSet ends pods
//	api.go     the six requests
//	errors.go  what their errors mean
package kube

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"

	"bcc/autoscale"
	"bcc/fault"
)

// KindLabel is the label, or annotation, of a Deployment that says of which kind its
// workers are: what bcc worker --kind says in its pods. Without it the Deployment's
// name is the kind.
const KindLabel = "bcc/kind"

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

// deployments returns those that hold workers, in the order of their kinds.
func (t *Target) deployments(ctx context.Context) ([]*appsv1.Deployment, error) {
	found, err := t.api.deployments(ctx, t.cfg.Deployments, t.cfg.Selector)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b *appsv1.Deployment) int { return strings.Compare(kindOf(a), kindOf(b)) })
	for i, d := range found[1:] {
		if kindOf(d) == kindOf(found[i]) {
			return nil, fault.Hint(fault.New(fault.Invalid, "deployments %s and %s are both of kind %s", found[i].Name, d.Name, kindOf(d)),
				"give each a %s label of its own", KindLabel)
		}
	}
	return found, nil
}

// deployment returns that of a kind.
func (t *Target) deployment(ctx context.Context, kind string) (*appsv1.Deployment, error) {
	all, err := t.deployments(ctx)
	if err != nil {
		return nil, err
	}
	var kinds []string
	for _, d := range all {
		if kindOf(d) == kind {
			return d, nil
		}
		kinds = append(kinds, kindOf(d))
	}
	return nil, fault.New(fault.NotFound, "no deployment of kind %s in namespace %s: there are %s", kind, t.api.namespace, strings.Join(kinds, ", "))
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

// group is what a Deployment has.
func group(d *appsv1.Deployment, pods []pod) autoscale.Group {
	g := autoscale.Group{Kind: autoscale.Kind{Name: kindOf(d), StartUp: startUp(pods)}}
	wait := g.StartUp
	due := func(from time.Time) time.Time {
		if wait == 0 {
			return time.Time{} // nothing is known
		}
		return from.Add(wait)
	}
	for _, p := range pods {
		switch {
		case p.gone:
		case p.stage == ready:
			g.Ready++
		default:
			g.Starting = append(g.Starting, due(p.created))
		}
	}
	for range replicas(d) - g.Present() {
		g.Starting = append(g.Starting, due(time.Now()))
	}
	return g
}

// kindOf is the kind of a Deployment's workers.
func kindOf(d *appsv1.Deployment) string {
	for _, said := range []string{d.Labels[KindLabel], d.Annotations[KindLabel]} {
		if said != "" {
			return said
		}
	}
	return d.Name
}

// replicas is how many pods are wanted; unset means one.
func replicas(d *appsv1.Deployment) int {
	if d.Spec.Replicas == nil {
		return 1
	}
	return int(*d.Spec.Replicas)
}

// rolling reports whether pods of two versions may be there, or the controller has
// not seen the last change yet.
func rolling(d *appsv1.Deployment) bool {
	return d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < d.Status.Replicas
}
