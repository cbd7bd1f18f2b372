package kube

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// api is the requests that are made. The typed clients of client-go would bring the
// types of every API group into the program.
type api struct {
	apps, core *rest.RESTClient
	namespace  string
	timeout    time.Duration

	mu     sync.Mutex
	until  time.Time // nothing is asked before, since the server said so
	refuse error     // what it said
}

func newAPI(access *rest.Config, namespace string, timeout time.Duration) (*api, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, autoscalingv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	client := func(path string, version schema.GroupVersion) (*rest.RESTClient, error) {
		c := rest.CopyConfig(access)
		c.APIPath, c.GroupVersion, c.NegotiatedSerializer = path, &version, codecs
		c.AcceptContentTypes, c.ContentType = "application/vnd.kubernetes.protobuf,application/json", "application/json"
		c.UserAgent = "bcc-autoscale"
		c.QPS, c.Burst = 50, 100 // marks come by the hundred
		return rest.RESTClientFor(c)
	}
	apps, err := client("/apis", appsv1.SchemeGroupVersion)
	if err != nil {
		return nil, unusable(err)
	}
	core, err := client("/api", corev1.SchemeGroupVersion)
	if err != nil {
		return nil, unusable(err)
	}
	return &api{apps: apps, core: core, namespace: namespace, timeout: timeout}, nil
}

// deployments returns those of these names, else those of the labels.
func (a *api) deployments(ctx context.Context, names []string, selector string) ([]*appsv1.Deployment, error) {
	var found []*appsv1.Deployment
	for _, name := range names {
		d := new(appsv1.Deployment)
		if err := a.do(ctx, "read deployment "+name, a.apps.Get().Resource("deployments").Name(name), d); err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	if len(names) > 0 {
		return found, nil
	}
	list := new(appsv1.DeploymentList)
	err := a.do(ctx, "list deployments "+selector, a.apps.Get().Resource("deployments").Param("labelSelector", selector), list)
	if err != nil {
		return nil, err
	}
	if len(list.Items) == 0 {
		return nil, a.none(selector)
	}
	for i := range list.Items {
		found = append(found, &list.Items[i])
	}
	return found, nil
}

// pods returns the pods of a Deployment, those that end included.
func (a *api) pods(ctx context.Context, d *appsv1.Deployment) ([]pod, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return nil, unusable(err)
	}
	list := new(corev1.PodList)
	if err := a.do(ctx, "list pods of "+d.Name, a.core.Get().Resource("pods").Param("labelSelector", selector.String()), list); err != nil {
		return nil, err
	}
	pods := make([]pod, 0, len(list.Items))
	for i := range list.Items {
		if owner := metav1.GetControllerOf(&list.Items[i]); owner != nil && owner.Kind == "ReplicaSet" {
			pods = append(pods, newPod(&list.Items[i]))
		}
	}
	return pods, nil
}

// mark sets a pod's deletion cost; 0 takes it away. One that is not there any more
// needs none.
func (a *api) mark(ctx context.Context, name string, cost int) error {
	var value any // null takes the annotation away
	if cost != 0 {
		value = strconv.Itoa(cost)
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{costAnnotation: value}}})
	if err != nil {
		return err
	}
	err = a.do(ctx, "mark pod "+name, a.core.Patch(types.MergePatchType).Resource("pods").Name(name).Body(body), nil)
	if isGone(err) {
		return nil
	}
	return err
}

// scale writes how many replicas are wanted, unless the Deployment was written since
// it was read (errConflict).
func (a *api) scale(ctx context.Context, d *appsv1.Deployment, n int) error {
	s := &autoscalingv1.Scale{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v1", Kind: "Scale"},
		ObjectMeta: metav1.ObjectMeta{Name: d.Name, Namespace: d.Namespace, UID: d.UID, ResourceVersion: d.ResourceVersion},
		Spec:       autoscalingv1.ScaleSpec{Replicas: int32(n)},
	}
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	request := a.apps.Put().Resource("deployments").Name(d.Name).SubResource("scale").SetHeader("Content-Type", "application/json").Body(body)
	return a.do(ctx, "scale deployment "+d.Name, request, nil)
}

// do sends one request of the namespace, once, and reads the answer into out where
// there is one. Repeating is the caller's: it decides anew every few seconds.
func (a *api) do(ctx context.Context, what string, r *rest.Request, out runtime.Object) error {
	if err := a.held(); err != nil {
		return named(what, err)
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	answer := r.Namespace(a.namespace).MaxRetries(0).Do(ctx)
	err := answer.Error()
	if err == nil && out != nil {
		err = answer.Into(out)
	}
	if err == nil {
		return nil
	}
	return named(what, a.hold(err))
}
