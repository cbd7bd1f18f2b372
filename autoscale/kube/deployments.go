package kube

import (
	"context"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"bcc/autoscale"
	"bcc/fault"
)

// KindLabel is the label, or annotation, of a Deployment that says of which kind its
// workers are: what bcc worker --kind says in its pods. Without it the Deployment's
// name is the kind.
const KindLabel = "bcc/kind"

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
