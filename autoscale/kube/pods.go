package kube

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// costAnnotation orders pods that are alike otherwise: a ReplicaSet ends those of
// lower cost first, and 0 stands where there is none.
const costAnnotation = corev1.PodDeletionCost

// stage is how far a pod has come. A ReplicaSet that shrinks ends pods of a lower
// stage first, whatever their deletion costs are: k8s.io/kubernetes
// pkg/controller/controller_utils.go, ActivePodsWithRanks.
type stage int

const (
	unplaced stage = iota // no machine yet
	pending               // a machine, and nothing runs
	lost                  // its machine does not answer
	unready               // runs, and takes no work: it starts, or is in trouble
	ready
)

// pod is what counts of a pod.
type pod struct {
	name    string
	stage   stage
	gone    bool // ended, or about to be
	runs    bool // a container of it runs
	cost    int  // as it is marked
	created time.Time
	ready   time.Time // when it became so; zero where it is not
	why     string    // it does not run, in Kubernetes' word
}

func newPod(p *corev1.Pod) pod {
	seen := pod{name: p.Name, created: p.CreationTimestamp.Time, stage: unready}
	seen.gone = p.DeletionTimestamp != nil || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	seen.cost, _ = strconv.Atoi(p.Annotations[costAnnotation])
	for _, c := range p.Status.ContainerStatuses {
		seen.runs = seen.runs || c.State.Running != nil
		if c.State.Waiting != nil {
			seen.why = c.State.Waiting.Reason
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			seen.stage, seen.ready = ready, c.LastTransitionTime.Time
		}
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			seen.why = c.Reason
		}
	}
	switch {
	case p.Spec.NodeName == "":
		seen.stage = unplaced
	case p.Status.Phase == corev1.PodPending || p.Status.Phase == "":
		seen.stage = pending
	case p.Status.Phase == corev1.PodUnknown:
		seen.stage = lost
	}
	return seen
}

// free reports whether no work can be lost with a pod that is not said to be idle:
// nothing of it runs, now or yet.
func (p pod) free() bool {
	return p.stage < lost || p.stage == unready && !p.runs
}

// mayGo returns the pods that may go, in the order in which a ReplicaSet would end
// them once they are marked. It ends a whole stage before the next, so what stands
// after a stage that holds a pod which may not go has to stay too.
func mayGo(present []pod, idle []string) []pod {
	rank := make(map[string]int, len(idle))
	for i, name := range idle {
		rank[name] = i + 1
	}
	order := slices.Clone(present)
	slices.SortStableFunc(order, func(a, b pod) int {
		return cmp.Or(cmp.Compare(a.stage, b.stage), cmp.Compare(rank[a.name], rank[b.name]), b.created.Compare(a.created))
	})
	var may []pod
	blocked := ready + 1
	for _, p := range order {
		switch {
		case p.stage > blocked:
			return may
		case rank[p.name] > 0 || p.free():
			may = append(may, p)
		default:
			blocked = p.stage
		}
	}
	return may
}

// startUp is the median time from a pod's beginning until it took work, of those that
// do; 0 where none does. Readiness that was lost and found again makes it too long,
// hence the lower one of two.
func startUp(pods []pod) time.Duration {
	var took []time.Duration
	for _, p := range pods {
		if p.stage == ready && !p.gone && p.ready.After(p.created) {
			took = append(took, p.ready.Sub(p.created))
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[(len(took)-1)/2]
}

// trouble says why pods do not run, as "3 Unschedulable, 1 ImagePullBackOff"; empty
// where none is in trouble.
func trouble(pods []pod) string {
	count := map[string]int{}
	for _, p := range pods {
		if !p.gone && p.why != "" && p.why != "ContainerCreating" && p.why != "PodInitializing" {
			count[p.why]++
		}
	}
	var words []string
	for _, why := range slices.Sorted(maps.Keys(count)) {
		words = append(words, fmt.Sprintf("%d %s", count[why], why))
	}
	return strings.Join(words, ", ")
}
