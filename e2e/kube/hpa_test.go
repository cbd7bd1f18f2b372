//go:build e2e

package kube

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Kubernetes' own autoscaler follows our metric by the manifest. The test tells the
// metric, as the Prometheus adapter would.
func TestKubeHPAFollowsTheBacklog(t *testing.T) {
	p := startPlane(t)
	var left atomic.Int64 // patches
	adapter := httptest.NewUnstartedServer(metricsOf("bcc_backlog_patches", &left))
	adapter.Config.ErrorLog = log.New(io.Discard, "", 0)
	adapter.StartTLS()
	t.Cleanup(adapter.Close)
	_, port, _ := net.SplitHostPort(adapter.Listener.Addr().String())
	number := json.Number(port)
	p.must(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/services", map[string]any{
		"metadata": map[string]any{"name": "adapter"}, "spec": map[string]any{"type": "ExternalName", "externalName": "localhost", "ports": []any{map[string]any{"port": number}}}}, nil)
	p.must(t, http.MethodPost, "/apis/apiregistration.k8s.io/v1/apiservices", map[string]any{
		"metadata": map[string]any{"name": "v1beta1.external.metrics.k8s.io"},
		"spec": map[string]any{"group": "external.metrics.k8s.io", "version": "v1beta1", "insecureSkipTLSVerify": true, "groupPriorityMinimum": 100, "versionPriority": 100,
			"service": map[string]any{"namespace": namespace, "name": "adapter", "port": number}}}, nil)

	apply(t, p, "workers.yaml")
	apply(t, p, "hpa.yaml")
	startKubelet(t, p, newFleet().run)
	count := func() int { return replicas(t, p, "bcc-workers-cpu") }
	left.Store(5*360_000 - 1000)
	p.until(t, "the HPA wants five workers", time.Minute, func() bool { return count() == 5 })
	left.Store(100 * 360_000)
	p.until(t, "twenty, and no more", time.Minute, func() bool { return count() == 20 })
	// Downwards it waits five minutes; not here.
	p.must(t, http.MethodPatch, "/apis/autoscaling/v2/namespaces/"+namespace+"/horizontalpodautoscalers/bcc-workers-cpu",
		map[string]any{"spec": map[string]any{"behavior": map[string]any{"scaleDown": map[string]any{"stabilizationWindowSeconds": 0}}}}, nil)
	left.Store(0)
	p.until(t, "one when nothing is left", time.Minute, func() bool { return count() == 1 })
}

// metricsOf answers as an adapter that knows one metric.
func metricsOf(name string, value *atomic.Int64) http.Handler {
	const group = "/apis/external.metrics.k8s.io/v1beta1"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == group:
			fmt.Fprintf(w, `{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "external.metrics.k8s.io/v1beta1",
"resources": [{"name": %q, "singularName": "", "namespaced": true, "kind": "ExternalMetricValueList", "verbs": ["get"]}]}`, name)
		case strings.HasPrefix(r.URL.Path, group) && strings.HasSuffix(r.URL.Path, "/"+name):
			fmt.Fprintf(w, `{"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {},
"items": [{"metricName": %q, "metricLabels": {}, "timestamp": %q, "value": "%d"}]}`, name, time.Now().UTC().Format(time.RFC3339), value.Load())
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}`)
		}
	})
}
