package kube_test

import (
	"cmp"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
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

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bcc/autoscale/kube"
)

// cluster answers as the API server of a namespace "lab" does, and ends pods as its
// ReplicaSets do (settle). The real ones stand behind make e2e-kube.
type cluster struct {
	*httptest.Server
	token string // "" takes any

	mu          sync.Mutex
	version     int
	deployments map[string]*appsv1.Deployment
	pods        map[string]*corev1.Pod
	requests    int
	faults      map[string][]func(http.ResponseWriter) bool // by method; true: it answered
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{deployments: map[string]*appsv1.Deployment{}, pods: map[string]*corev1.Pod{}, faults: map[string][]func(http.ResponseWriter) bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/apps/v1/namespaces/lab/deployments", c.listDeployments)
	mux.HandleFunc("GET /apis/apps/v1/namespaces/lab/deployments/{name}", c.readDeployment)
	mux.HandleFunc("PUT /apis/apps/v1/namespaces/lab/deployments/{name}/scale", c.scale)
	mux.HandleFunc("GET /api/v1/namespaces/lab/pods", c.listPods)
	mux.HandleFunc("PATCH /api/v1/namespaces/lab/pods/{name}", c.patchPod)
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.fails(w, r) {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	c.Config.ErrorLog = log.New(io.Discard, "", 0)
	c.StartTLS()
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) target(t *testing.T) *kube.Target {
	t.Helper()
	cfg := kube.DefaultConfig()
	cfg.Selector, cfg.Namespace, cfg.Server, cfg.Account = "app=bcc", "lab", c.URL, c.account(t, "any")
	target, err := kube.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// account is the folder of a pod's account.
func (c *cluster) account(t *testing.T, token string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"namespace": "lab\n", "token": token, "ca.crt": string(c.ca())} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ca is the certificate by which the server is trusted.
func (c *cluster) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
}

// before lets f see the next n requests of a method before they are answered.
func (c *cluster) before(method string, n int, f func(http.ResponseWriter) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[method] = slices.Repeat([]func(http.ResponseWriter) bool{f}, n)
}

func (c *cluster) fails(w http.ResponseWriter, r *http.Request) bool {
	c.mu.Lock()
	c.requests++
	var f func(http.ResponseWriter) bool
	if waiting := c.faults[r.Method]; len(waiting) > 0 {
		f, c.faults[r.Method] = waiting[0], waiting[1:]
	}
	c.mu.Unlock()
	if c.token != "" && r.Header.Get("Authorization") != "Bearer "+c.token {
		return refuse(http.StatusUnauthorized, 0)(w)
	}
	return f != nil && f(w)
}

func (c *cluster) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// refuse answers with a status, as the API server words it.
func refuse(status, after int) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		if after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(after))
		}
		if status == http.StatusTooManyRequests { // as its priority and fairness does
			http.Error(w, "Too many requests, please try again later.", status)
			return true
		}
		answer(w, status, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Message: "planted", Code: int32(status),
			Reason: map[int]metav1.StatusReason{401: metav1.StatusReasonUnauthorized, 403: metav1.StatusReasonForbidden, 404: metav1.StatusReasonNotFound,
				409: metav1.StatusReasonConflict, 500: metav1.StatusReasonInternalError, 503: metav1.StatusReasonServiceUnavailable}[status]})
		return true
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (c *cluster) listDeployments(w http.ResponseWriter, r *http.Request) {
	list := appsv1.DeploymentList{TypeMeta: metav1.TypeMeta{Kind: "DeploymentList", APIVersion: "apps/v1"}}
	for _, name := range slices.Sorted(maps.Keys(c.deployments)) {
		list.Items = append(list.Items, *c.deployments[name])
	}
	answer(w, http.StatusOK, list)
}

func (c *cluster) readDeployment(w http.ResponseWriter, r *http.Request) {
	if d := c.deployments[r.PathValue("name")]; d != nil {
		answer(w, http.StatusOK, d)
		return
	}
	refuse(http.StatusNotFound, 0)(w)
}

func (c *cluster) scale(w http.ResponseWriter, r *http.Request) {
	var s autoscalingv1.Scale
	decode := json.NewDecoder(r.Body)
	decode.DisallowUnknownFields()
	d := c.deployments[r.PathValue("name")]
	if err := decode.Decode(&s); err != nil || d == nil || s.Name != d.Name || r.Header.Get("Content-Type") != "application/json" {
		refuse(http.StatusBadRequest, 0)(w)
		return
	}
	if s.ResourceVersion != d.ResourceVersion {
		refuse(http.StatusConflict, 0)(w)
		return
	}
	d.Spec.Replicas = &s.Spec.Replicas
	c.written(d)
	answer(w, http.StatusOK, s)
}

func (c *cluster) listPods(w http.ResponseWriter, r *http.Request) {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
	for _, name := range slices.Sorted(maps.Keys(c.pods)) {
		if p := c.pods[name]; r.URL.Query().Get("labelSelector") == "of="+p.Labels["of"] {
			list.Items = append(list.Items, *p)
		}
	}
	answer(w, http.StatusOK, list)
}

func (c *cluster) patchPod(w http.ResponseWriter, r *http.Request) {
	var patch struct {
		Metadata struct{ Annotations map[string]*string }
	}
	body, _ := io.ReadAll(r.Body)
	p := c.pods[r.PathValue("name")]
	switch {
	case p == nil:
		refuse(http.StatusNotFound, 0)(w)
		return
	case json.Unmarshal(body, &patch) != nil || r.Header.Get("Content-Type") != "application/merge-patch+json":
		refuse(http.StatusBadRequest, 0)(w)
		return
	}
	for name, value := range patch.Metadata.Annotations {
		if delete(p.Annotations, name); value != nil {
			p.Annotations[name] = *value
		}
	}
	answer(w, http.StatusOK, p)
}

func (c *cluster) deploy(name, kind string, replicas int) {
	n := int32(replicas)
	d := &appsv1.Deployment{TypeMeta: metav1.TypeMeta{Kind: "Deployment", APIVersion: "apps/v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "lab", Generation: 1, Labels: map[string]string{"app": "bcc"}},
		Spec:       appsv1.DeploymentSpec{Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"of": name}}},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: n, UpdatedReplicas: n}}
	if kind != "" {
		d.Labels[kube.KindLabel] = kind
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deployments[name] = d
	c.written(d)
}

func (c *cluster) written(d *appsv1.Deployment) {
	c.version++
	d.ResourceVersion = strconv.Itoa(c.version)
}

// touch writes a deployment as its controller does.
func (c *cluster) touch(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written(c.deployments[name])
}

func (c *cluster) replicas(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(*c.deployments[name].Spec.Replicas)
}

// add adds a pod of a deployment, as is says.
func (c *cluster) add(of, name string, created time.Time, is ...func(*corev1.Pod)) {
	yes := true
	p := &corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "lab", Labels: map[string]string{"of": of}, Annotations: map[string]string{}, CreationTimestamp: metav1.Time{Time: created},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: of + "-1", Controller: &yes}}},
		Spec:   corev1.PodSpec{NodeName: "n1"},
		Status: corev1.PodStatus{Phase: corev1.PodRunning}}
	for _, f := range is {
		f(p)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pods[name] = p
}

func (c *cluster) pod(name string) *corev1.Pod {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pods[name].DeepCopy()
}

// What a pod can be.
func up(p *corev1.Pod) {
	took(30 * time.Second)(p)
	container(p, corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})
}
func starting(p *corev1.Pod) {
	container(p, corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})
}
func crashing(p *corev1.Pod) {
	container(p, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}})
}
func unplaced(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = "", corev1.PodPending }
func waiting(p *corev1.Pod)  { p.Status.Phase = corev1.PodPending }
func failed(p *corev1.Pod)   { p.Status.Phase = corev1.PodFailed }
func ending(p *corev1.Pod)   { p.DeletionTimestamp = &metav1.Time{Time: time.Now()} }

func took(d time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Time{Time: p.CreationTimestamp.Add(d)}}}
	}
}

func marked(cost int) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations[corev1.PodDeletionCost] = strconv.Itoa(cost) }
}

func container(p *corev1.Pod, s corev1.ContainerState) {
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: s}}
}

func running(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.State.Running != nil })
}

// settle ends the pods that are too many, in the order that Kubernetes documents for
// ReplicaSets, and returns their names, sorted.
func (c *cluster) settle(of string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var pods []*corev1.Pod
	for _, p := range c.pods {
		if p.Labels["of"] == of && p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodFailed {
			pods = append(pods, p)
		}
	}
	key := func(p *corev1.Pod) string {
		bit := func(b bool) int { return map[bool]int{true: 1}[b] }
		cost, _ := strconv.Atoi(p.Annotations[corev1.PodDeletionCost])
		isReady := len(p.Status.Conditions) > 0 && p.Status.Conditions[0].Status == corev1.ConditionTrue
		return fmt.Sprintf("%d%d%d%010d", bit(p.Spec.NodeName != ""), bit(p.Status.Phase == corev1.PodRunning), bit(isReady), cost+1_000_000)
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(strings.Compare(key(a), key(b)), b.CreationTimestamp.Compare(a.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	var ended []string
	for _, p := range pods[:max(len(pods)-int(*c.deployments[of].Spec.Replicas), 0)] {
		ended = append(ended, p.Name)
		delete(c.pods, p.Name)
	}
	slices.Sort(ended)
	return ended
}
