//go:build e2e

package kube

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// kubelet places the pods of the namespace, runs them, and tells how they are, as
// scheduler and kubelet do: a pod that is deleted is asked to stop, and is gone when it
// has.
type kubelet struct {
	plane *plane
	run   func(*corev1.Pod) process

	mu      sync.Mutex
	pods    map[string]*placed
	deleted []ending // every pod that was, in order
}

// process is what runs in a pod.
type process interface {
	Ready() bool
	Stop() // it is to end: SIGTERM
	Ended() bool
}

type placed struct {
	process process
	told    bool // that it is ready
	stopped bool
}

// ending is how a pod was when it was deleted.
type ending struct {
	name string
	cost string // its deletion cost
}

// startKubelet runs one until the test ends.
func startKubelet(t *testing.T, p *plane, run func(*corev1.Pod) process) *kubelet {
	k := &kubelet{plane: p, run: run, pods: map[string]*placed{}}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := k.look(ctx); err != nil && ctx.Err() == nil {
				t.Logf("kubelet: %v", err)
			}
			time.Sleep(60 * time.Millisecond)
		}
	})
	t.Cleanup(func() {
		stop()
		wg.Wait()
		for _, p := range k.pods {
			p.process.Stop()
		}
	})
	return k
}

// look is one round over all pods.
func (k *kubelet) look(ctx context.Context) error {
	var list corev1.PodList
	if err := k.plane.ask(ctx, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods", nil, &list); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range list.Items {
		if err := k.tend(ctx, &list.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

// tend does the next thing with a pod.
func (k *kubelet) tend(ctx context.Context, pod *corev1.Pod) error {
	path := "/api/v1/namespaces/" + namespace + "/pods/" + pod.Name
	is := k.pods[pod.Name]
	switch {
	case pod.DeletionTimestamp != nil:
		if is != nil && !is.stopped {
			is.stopped = true
			is.process.Stop()
		}
		if is != nil && !is.process.Ended() {
			return nil
		}
		delete(k.pods, pod.Name)
		k.deleted = append(k.deleted, ending{pod.Name, pod.Annotations[corev1.PodDeletionCost]})
		return k.plane.ask(ctx, http.MethodDelete, path+"?gracePeriodSeconds=0", nil, nil)
	case pod.Spec.NodeName == "":
		binding := map[string]any{"apiVersion": "v1", "kind": "Binding", "metadata": map[string]any{"name": pod.Name}, "target": map[string]any{"kind": "Node", "name": "n1"}}
		return k.plane.ask(ctx, http.MethodPost, path+"/binding", binding, nil)
	case is == nil:
		k.pods[pod.Name] = &placed{process: k.run(pod)}
		return k.tell(ctx, path, "False")
	case !is.told && is.process.Ready():
		is.told = true
		return k.tell(ctx, path, "True")
	}
	return nil
}

// tell says that a pod runs, and whether it takes work.
func (k *kubelet) tell(ctx context.Context, path, ready string) error {
	now := time.Now().UTC().Format(time.RFC3339)
	return k.plane.ask(ctx, http.MethodPatch, path+"/status", map[string]any{"status": map[string]any{
		"phase": "Running", "startTime": now,
		"conditions":        []any{map[string]any{"type": "Ready", "status": ready, "lastTransitionTime": now}, map[string]any{"type": "ContainersReady", "status": ready, "lastTransitionTime": now}},
		"containerStatuses": []any{map[string]any{"name": "worker", "image": "bcc", "imageID": "bcc", "ready": ready == "True", "started": true, "restartCount": 0, "state": map[string]any{"running": map[string]any{"startedAt": now}}}},
	}}, nil)
}

// ended returns the pods that were deleted and are gone.
func (k *kubelet) ended() []ending {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]ending(nil), k.deleted...)
}
