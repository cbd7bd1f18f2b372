package kube_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"bcc/autoscale/kube"
)

// manifests lie where whoever runs a cluster finds them.
const manifests = "../../deploy/kubernetes"

// scaledObject is the part of KEDA's keda.sh/v1alpha1 that ours may use, after its
// published CustomResourceDefinition (2.17).
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		PollingInterval *int32 `json:"pollingInterval"`
		CooldownPeriod  *int32 `json:"cooldownPeriod"`
		MinReplicaCount *int32 `json:"minReplicaCount"`
		MaxReplicaCount *int32 `json:"maxReplicaCount"`
		Advanced        struct {
			ScalingModifiers struct {
				Formula    string                         `json:"formula"`
				Target     string                         `json:"target"`
				MetricType autoscalingv2.MetricTargetType `json:"metricType"`
			} `json:"scalingModifiers"`
		} `json:"advanced"`
		Triggers []struct {
			Type     string            `json:"type"`
			Name     string            `json:"name"`
			Metadata map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// adapterRules are what the Prometheus adapter reads, of its pkg/config.
type adapterRules struct {
	Rules struct {
		External []struct {
			SeriesQuery string `json:"seriesQuery"`
			Resources   struct {
				Namespaced *bool `json:"namespaced"`
			} `json:"resources"`
			Name struct {
				As string `json:"as"`
			} `json:"name"`
			MetricsQuery string `json:"metricsQuery"`
		} `json:"external"`
	} `json:"rules"`
}

// read decodes the objects of a file, each into what its kind is; what a type does not
// have, and what is there twice, is an error.
func read(t *testing.T, name string) (objects []any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(manifests, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range bytes.Split(text, []byte("\n---\n")) {
		var is metav1.TypeMeta
		if err := yaml.Unmarshal(part, &is); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var object any
		switch is.APIVersion + " " + is.Kind {
		case "apps/v1 Deployment":
			object = new(appsv1.Deployment)
		case "v1 ServiceAccount":
			object = new(corev1.ServiceAccount)
		case "rbac.authorization.k8s.io/v1 Role":
			object = new(rbacv1.Role)
		case "rbac.authorization.k8s.io/v1 RoleBinding":
			object = new(rbacv1.RoleBinding)
		case "autoscaling/v2 HorizontalPodAutoscaler":
			object = new(autoscalingv2.HorizontalPodAutoscaler)
		case "keda.sh/v1alpha1 ScaledObject":
			object = new(scaledObject)
		case " ":
			object = new(adapterRules)
		default:
			t.Fatalf("%s: %s %s: this test knows no such thing", name, is.APIVersion, is.Kind)
		}
		if err := yaml.UnmarshalStrict(part, object); err != nil {
			t.Errorf("%s: %s: %v", name, is.Kind, err)
		}
		objects = append(objects, object)
	}
	return objects
}

// only returns the first object of a type.
func only[T any](t *testing.T, name string) T {
	t.Helper()
	for _, o := range read(t, name) {
		if is, ok := o.(T); ok {
			return is
		}
	}
	var none T
	t.Fatalf("%s holds no %T", name, none)
	return none
}

func TestManifestsAreWhatTheirTypesSay(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(manifests)
	if err != nil || len(entries) < 5 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".yaml") {
			read(t, e.Name())
		}
	}
	var d appsv1.Deployment // the check itself
	if yaml.UnmarshalStrict([]byte("spec: {replica: 1}"), &d) == nil {
		t.Error("a field that there is not is let pass")
	}
}

func TestWorkersMayFinishBeforeTheyAreKilled(t *testing.T) {
	t.Parallel()
	d := only[*appsv1.Deployment](t, "workers.yaml")
	c := d.Spec.Template.Spec.Containers[0]
	needs := flag(t, c, "finish") + flag(t, c, "drain")
	if grace := d.Spec.Template.Spec.TerminationGracePeriodSeconds; grace == nil || time.Duration(*grace)*time.Second <= needs {
		t.Errorf("killed after %v s, which --finish and --drain may take: %v", grace, needs)
	}
	kind := d.Labels[kube.KindLabel]
	if kind == "" || !slices.Contains(c.Args, "--kind="+kind) || d.Spec.Template.Labels[kube.KindLabel] != kind {
		t.Errorf("%s %q, arguments %q: want the same kind everywhere", kube.KindLabel, kind, c.Args)
	}
	if d.Spec.Replicas != nil {
		t.Error("replicas are set: applying the file again would scale")
	}
	if e := c.Env[0]; !slices.Contains(c.Args, "--id=$("+e.Name+")") || e.ValueFrom.FieldRef.FieldPath != "metadata.name" {
		t.Errorf("--id is not the pod's name: %q, %+v", c.Args, e)
	}
	if selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector); err != nil || selector.String() == "" {
		t.Errorf("selector %v: %v", selector, err)
	}
}

func flag(t *testing.T, c corev1.Container, name string) time.Duration {
	t.Helper()
	for _, a := range c.Args {
		if value, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Error(err)
			}
			return d
		}
	}
	t.Fatalf("no --%s", name)
	return 0
}

// The Role is what the five requests need. That they need no more, make e2e-kube shows.
func TestTheRoleGivesNoMoreThanIsAsked(t *testing.T) {
	t.Parallel()
	role := only[*rbacv1.Role](t, "autoscaler.yaml")
	got, err := json.Marshal(role.Rules)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"verbs":["get","list"],"apiGroups":["apps"],"resources":["deployments"]},` +
		`{"verbs":["update"],"apiGroups":["apps"],"resources":["deployments/scale"]},` +
		`{"verbs":["list","patch"],"apiGroups":[""],"resources":["pods"]}]`
	if string(got) != want {
		t.Errorf("rules are %s", got)
	}
}

func TestAllScaleTheWorkersThatThereAre(t *testing.T) {
	t.Parallel()
	workers := only[*appsv1.Deployment](t, "workers.yaml").Name
	hpa := only[*autoscalingv2.HorizontalPodAutoscaler](t, "hpa.yaml")
	if hpa.Spec.ScaleTargetRef.Name != workers || hpa.Spec.Metrics[0].External.Target.AverageValue.Value() <= 0 {
		t.Errorf("hpa: %+v", hpa.Spec)
	}
	rule := only[*adapterRules](t, "prometheus-adapter.yaml").Rules.External[0]
	if name := hpa.Spec.Metrics[0].External.Metric.Name; rule.Name.As != name || rule.SeriesQuery != name {
		t.Errorf("the HPA asks for %s, the adapter tells %s of %s", name, rule.Name.As, rule.SeriesQuery)
	}
	keda := only[*scaledObject](t, "keda.yaml")
	if keda.Spec.ScaleTargetRef.Name != workers {
		t.Errorf("KEDA scales %s", keda.Spec.ScaleTargetRef.Name)
	}
	terms := strings.Split(keda.Spec.Advanced.ScalingModifiers.Formula, " + ")
	for i, trigger := range keda.Spec.Triggers {
		if i >= len(terms) || terms[i] != trigger.Name || trigger.Type != "nats-jetstream" {
			t.Errorf("trigger %d is %s; the sum is %q", i, trigger.Name, terms)
		}
		for _, must := range []string{"natsServerMonitoringEndpoint", "account", "stream", "consumer", "lagThreshold"} {
			if trigger.Metadata[must] == "" || len(trigger.Metadata) != 5 {
				t.Errorf("trigger %s: %v", trigger.Name, trigger.Metadata)
			}
		}
	}
	if len(terms) != len(keda.Spec.Triggers) {
		t.Errorf("%d triggers, %d terms", len(keda.Spec.Triggers), len(terms))
	}
}
