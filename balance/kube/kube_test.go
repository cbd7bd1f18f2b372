package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"bcc/fault"
)

func slice(name string, family discoveryv1.AddressType, ports []discoveryv1.EndpointPort, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  metav1.ObjectMeta{Name: name, Namespace: "bcc", ResourceVersion: "1"},
		AddressType: family, Ports: ports, Endpoints: endpoints,
	}
}

func port(name string, number int32) discoveryv1.EndpointPort {
	return discoveryv1.EndpointPort{Name: &name, Port: &number}
}

func at(address string, ready, terminating bool) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: &ready, Terminating: &terminating}}
}

func hosts(urls []*url.URL) []string {
	var all []string
	for _, u := range urls {
		all = append(all, u.Host)
	}
	return all
}

func TestOnlyWhoIsReadyIsTaken(t *testing.T) {
	t.Parallel()
	v4, v6 := discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6
	api := []discoveryv1.EndpointPort{port("http", 8000), port("metrics", 9100)}
	for _, c := range []struct {
		name, port string
		known      []*discoveryv1.EndpointSlice
		want       []string
		wrong      bool
	}{
		{"those that are not ready or terminate are left out", "", []*discoveryv1.EndpointSlice{
			slice("a", v4, api, at("10.0.0.2", true, false), at("10.0.0.1", true, false), at("10.0.0.3", false, false), at("10.0.0.4", true, true)),
		}, []string{"10.0.0.1:8000", "10.0.0.2:8000"}, false},
		{"a condition that is not said counts as well", "http", []*discoveryv1.EndpointSlice{
			slice("a", v4, api, discoveryv1.Endpoint{Addresses: []string{"10.0.0.1"}}),
		}, []string{"10.0.0.1:8000"}, false},
		{"a pod with two families is one member", "8000", []*discoveryv1.EndpointSlice{
			slice("a", v6, api, at("fd00::1", true, false)), slice("b", v4, api, at("10.0.0.1", true, false)),
		}, []string{"10.0.0.1:8000"}, false},
		{"with IPv6 alone that is taken", "", []*discoveryv1.EndpointSlice{slice("a", v6, api, at("fd00::1", true, false))}, []string{"[fd00::1]:8000"}, false},
		{"one that moves between slices is one member", "", []*discoveryv1.EndpointSlice{
			slice("a", v4, api, at("10.0.0.1", true, false)), slice("b", v4, api, at("10.0.0.1", true, false)),
		}, []string{"10.0.0.1:8000"}, false},
		{"a port of another name", "metrics", []*discoveryv1.EndpointSlice{slice("a", v4, api, at("10.0.0.1", true, false))}, []string{"10.0.0.1:9100"}, false},
		{"a port that is not there is told", "grpc", []*discoveryv1.EndpointSlice{slice("a", v4, api, at("10.0.0.1", true, false))}, nil, true},
		{"a service without pods has nobody", "", nil, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			known := map[string]*discoveryv1.EndpointSlice{}
			for _, s := range c.known {
				known[s.Name] = s
			}
			urls, err := members(known, c.port)
			if (err != nil) != c.wrong || c.wrong && fault.HintOf(err) == "" || !slices.Equal(hosts(urls), c.want) {
				t.Errorf("%v %v, want %v", hosts(urls), err, c.want)
			}
		})
	}
}

// TestItListsWatchesAndReadsAnew drives it against a server that speaks as an API server
// does; e2e/kube has a real one.
func TestItListsWatchesAndReadsAnew(t *testing.T) {
	t.Parallel()
	ports := []discoveryv1.EndpointPort{port("", 8000)}
	events := make(chan string)
	var lists, watches atomic.Int64
	var down atomic.Bool
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/apis/discovery.k8s.io/v1/namespaces/bcc/endpointslices" || r.URL.Query().Get("labelSelector") != "kubernetes.io/service-name=serve" {
			t.Errorf("asked for %s", r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		if down.Load() {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}`)
			return
		}
		if r.URL.Query().Get("watch") == "" {
			lists.Add(1)
			_ = json.NewEncoder(w).Encode(discoveryv1.EndpointSliceList{
				TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSliceList"}, ListMeta: metav1.ListMeta{ResourceVersion: "7"},
				Items: []discoveryv1.EndpointSlice{*slice("a", discoveryv1.AddressTypeIPv4, ports, at("10.0.0.1", true, false))},
			})
			return
		}
		if v := r.URL.Query().Get("resourceVersion"); v != "7" {
			t.Errorf("watches from %q, want 7", v)
		}
		_ = http.NewResponseController(w).Flush()
		watches.Add(1)
		for {
			select {
			case e := <-events:
				if e == "" {
					return // the watch is over
				}
				fmt.Fprintln(w, e)
				_ = http.NewResponseController(w).Flush()
				if strings.Contains(e, `"type":"ERROR"`) {
					return // it is the watch's last word; the next watch takes what is said after
				}
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(api.Close)
	told := make(chan error, 8)
	s, err := New(Config{Access: &rest.Config{Host: api.URL}, Namespace: "bcc", Service: "serve", Rest: 10 * time.Millisecond, Trouble: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	sets := make(chan []string, 8)
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = s.Members(ctx, func(urls []*url.URL) { sets <- hosts(urls) })
	}()
	wants := func(want ...string) {
		t.Helper()
		select {
		case got := <-sets:
			if !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		case err := <-told:
			t.Fatal(err)
		case <-time.After(30 * time.Second):
			t.Fatalf("nothing came, want %v", want)
		}
	}
	say := func(kind string, object any) {
		data, err := json.Marshal(map[string]any{"type": kind, "object": object})
		if err != nil {
			t.Fatal(err)
		}
		events <- string(data)
	}
	wants("10.0.0.1:8000")
	say("ADDED", slice("b", discoveryv1.AddressTypeIPv4, ports, at("10.0.0.2", true, false)))
	wants("10.0.0.1:8000", "10.0.0.2:8000")
	say("MODIFIED", slice("b", discoveryv1.AddressTypeIPv4, ports, at("10.0.0.2", true, true)))
	wants("10.0.0.1:8000")
	say("DELETED", slice("a", discoveryv1.AddressTypeIPv4, ports))
	wants()
	say("ERROR", metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Code: 410, Reason: metav1.StatusReasonExpired})
	wants("10.0.0.1:8000") // read anew
	if n := lists.Load(); n != 2 {
		t.Errorf("%d lists, want 2", n)
	}
	for watches.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	down.Store(true)
	events <- "" // the watch ends, and the next list is refused
	select {
	case err := <-told:
		if fault.HintOf(err) == "" {
			t.Errorf("%v: no hint", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("trouble was not told")
	}
	down.Store(false)
	wants("10.0.0.1:8000")
	cancel()
	<-over
}

func TestNamesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{
		{Namespace: "bcc", Service: "serve"},
		{Access: &rest.Config{}, Namespace: "bcc/x", Service: "serve"},
		{Access: &rest.Config{}, Namespace: "bcc", Service: ""},
		{Access: &rest.Config{}, Namespace: "bcc", Service: "a,b=c"},
	} {
		if _, err := New(c); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
