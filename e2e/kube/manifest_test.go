//go:build e2e

package kube

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bcc/fault"
)

const manifests = "../../deploy/kubernetes"

// apply applies a file to the namespace, as a person does.
func apply(t *testing.T, p *plane, name string, more ...string) {
	t.Helper()
	p.kubectl(t, append([]string{"apply", "-n", namespace, "--validate=strict", "-f", filepath.Join(manifests, name)}, more...)...)
}

// KEDA is not here; what it says a ScaledObject is, the API server checks.
func TestKubeTakesKEDAsManifest(t *testing.T) {
	crd := os.Getenv("BCC_KEDA_CRD")
	if crd == "" {
		t.Skip("make e2e-kube brings KEDA's description")
	}
	p := startPlane(t)
	p.kubectl(t, "apply", "--server-side", "-f", crd)
	p.kubectl(t, "wait", "--for=condition=Established", "--timeout=60s", "crd/scaledobjects.keda.sh")
	apply(t, p, "keda.yaml", "--dry-run=server")
	text, err := os.ReadFile(filepath.Join(manifests, "keda.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	wrong := p.write(t, "wrong.yaml", []byte(strings.Replace(string(text), "pollingInterval", "pollInterval", 1)))
	if out, err := p.try(t, "apply", "-n", namespace, "--validate=strict", "--dry-run=server", "-f", wrong); err == nil || !strings.Contains(out, "pollInterval") {
		t.Errorf("a field that there is not is let pass: %s", out)
	}
}

// The API server takes what we ship, and the account of the autoscaler may do what the
// target does, and nothing else.
func TestKubeTakesTheManifests(t *testing.T) {
	p := startPlane(t)
	for _, name := range []string{"workers.yaml", "autoscaler.yaml", "hpa.yaml"} {
		apply(t, p, name, "--dry-run=server")
	}
	apply(t, p, "workers.yaml")
	apply(t, p, "autoscaler.yaml")
	p.kubectl(t, "-n", namespace, "scale", "deployment", "bcc-autoscaler", "--replicas=0") // the test is the autoscaler
	token := strings.TrimSpace(p.kubectl(t, "-n", namespace, "create", "token", "bcc-autoscaler"))
	k := target(t, p.kubeconfig(t, "account", p.url, token))
	f := newFleet()
	kubelet := startKubelet(t, p, f.run)

	if left, err := k.Scale(t.Context(), "cpu", 3, nil); err != nil || left != 3 {
		t.Fatalf("up: %d, %v", left, err)
	}
	p.until(t, "three are ready", time.Minute, func() bool {
		groups, err := k.Groups(t.Context())
		return err == nil && groups[0].Name == "cpu" && groups[0].Ready == 3
	})
	var idle []string
	f.mu.Lock()
	for name := range f.workers {
		idle = append(idle, name)
	}
	f.mu.Unlock()
	if left, err := k.Scale(t.Context(), "cpu", 2, idle[:1]); err != nil || left != 2 {
		t.Fatalf("down: %d, %v", left, err)
	}
	p.until(t, "the idle one is gone", time.Minute, func() bool { return len(kubelet.ended()) == 1 })
	if gone := kubelet.ended()[0].name; gone != idle[0] {
		t.Errorf("%s went, %s was idle", gone, idle[0])
	}
	apply(t, p, "workers.yaml")
	if n := replicas(t, p, "bcc-workers-cpu"); n != 2 {
		t.Errorf("%d replicas after the file was applied again, want 2", n)
	}

	for what, args := range map[string][]string{
		"start pods": {"create", "pods"}, "delete pods": {"delete", "pods"}, "read secrets": {"get", "secrets"},
		"write deployments": {"update", "deployments"}, "delete deployments": {"delete", "deployments"},
	} {
		out, err := p.try(t, append([]string{"-n", namespace, "auth", "can-i", "--as=system:serviceaccount:" + namespace + ":bcc-autoscaler"}, args...)...)
		if err == nil || strings.TrimSpace(out) != "no" {
			t.Errorf("the account of the autoscaler may %s: %s", what, out)
		}
	}

	// Without its rights, and without its account: a token of somebody who is no more.
	p.must(t, http.MethodDelete, "/apis/rbac.authorization.k8s.io/v1/namespaces/"+namespace+"/rolebindings/bcc-autoscaler", nil, nil)
	p.until(t, "it may no more", time.Minute, func() bool { _, err := k.Groups(t.Context()); return err != nil })
	if _, err := k.Groups(t.Context()); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "may not") || !strings.Contains(fault.HintOf(err), "autoscaler.yaml") {
		t.Errorf("without rights: %v (hint %q)", err, fault.HintOf(err))
	} else if _, err := os.Stat(filepath.Join(manifests, "autoscaler.yaml")); err != nil {
		t.Error(err)
	}
	p.must(t, http.MethodDelete, "/api/v1/namespaces/"+namespace+"/serviceaccounts/bcc-autoscaler", nil, nil)
	p.until(t, "its token is over", time.Minute, func() bool {
		_, err := k.Groups(t.Context())
		return err != nil && strings.Contains(err.Error(), "refused, or over")
	})
	if _, err := k.Scale(t.Context(), "cpu", 5, nil); fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("a token that is over: %v", err)
	}
}
