// Package awstest is an Auto Scaling API on this machine: for tests of what asks it. Each
// request is held against Amazon's published description, where that is installed
// (python3-botocore). It has one group, whose instances come when the test says so.
package awstest

import (
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The one group and where it is; credentials are those of AKID, with a session token.
const (
	Group   = "workers"
	Region  = "eu-central-1"
	AKID    = "AKIDEXAMPLE"
	Secret  = "secret"
	Session = "session"
)

// API answers as the Auto Scaling API does. Fields are to be read and written while
// nobody asks, or in Do.
type API struct {
	*httptest.Server
	t testing.TB

	mu                sync.Mutex
	Min, Max, Desired int
	Instances         []*Instance
	Calls             []string // actions, as they came
	Ended             []string // instances
	Taken             []string // instances that went by a scaling in, which nobody's ID asked for
	Unit              string   // of the capacity; empty: instances
	faults            []func(http.ResponseWriter)
	refusal           func(http.ResponseWriter) // of every request, where there are no faults
}

// Instance is one of the group.
type Instance struct {
	ID        string `xml:"InstanceId"`
	State     string `xml:"LifecycleState"`
	Protected bool   `xml:"ProtectedFromScaleIn"`
	Health    string `xml:"HealthStatus"`
	Weight    string `xml:"WeightedCapacity,omitempty"`
}

// New returns an API whose group has so many instances in service.
func New(t testing.TB, min, desired, max int) *API {
	a := &API{t: t, Min: min, Max: max, Desired: desired}
	a.launch()
	a.Server = httptest.NewUnstartedServer(a)
	a.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.Start()
	t.Cleanup(a.Close)
	return a
}

// ID is the name of the instance that came as number i, of 19 characters.
func ID(i int) string { return fmt.Sprintf("i-%017d", i) }

// Do calls f while nobody is answered.
func (a *API) Do(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// Launch has every instance come that is wanted and not there.
func (a *API) Launch() { a.Do(a.launch) }

func (a *API) launch() {
	for range a.Desired - a.Alive() {
		a.Instances = append(a.Instances, &Instance{ID: ID(len(a.Instances)), State: "InService", Health: "Healthy"})
	}
}

// ServeHTTP is of http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		a.t.Error(err)
	}
	a.checkRequest(r)
	action := r.PostForm.Get("Action")
	a.Calls = append(a.Calls, action)
	if len(a.faults) > 0 {
		f := a.faults[0]
		if a.faults = a.faults[1:]; f != nil {
			f(w)
			return
		}
	} else if a.refusal != nil {
		a.refusal(w)
		return
	}
	switch action {
	case "DescribeAutoScalingGroups":
		a.describe(w, r.PostForm)
	case "SetDesiredCapacity":
		a.setDesired(w, r.PostForm)
	case "SetInstanceProtection":
		a.protect(w, r.PostForm)
	case "TerminateInstanceInAutoScalingGroup":
		a.terminate(w, r.PostForm)
	default:
		refuse(w, 400, "InvalidAction", action)
	}
}

// checkRequest looks at what every request needs.
func (a *API) checkRequest(r *http.Request) {
	if m, err := Published(); err != nil {
		a.t.Error(err)
	} else if m != nil {
		if err := m.Check(r.PostForm); err != nil {
			a.t.Errorf("%s: %v", r.PostForm.Get("Action"), err)
		}
	}
	signed := r.Header.Get("Authorization")
	if r.Method != http.MethodPost || !strings.HasPrefix(signed, "AWS4-HMAC-SHA256 Credential="+AKID+"/") || !strings.Contains(signed, "/"+Region+"/autoscaling/aws4_request") ||
		r.Header.Get("X-Amz-Security-Token") != Session || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		a.t.Errorf("%s, signed %q, of type %q", r.Method, signed, r.Header.Get("Content-Type"))
	}
}

type describedGroup struct {
	Name      string      `xml:"AutoScalingGroupName"`
	Min       int         `xml:"MinSize"`
	Max       int         `xml:"MaxSize"`
	Desired   int         `xml:"DesiredCapacity"`
	Unit      string      `xml:"DesiredCapacityType,omitempty"`
	Instances []*Instance `xml:"Instances>member"`
}

func (a *API) describe(w http.ResponseWriter, form url.Values) {
	var out struct {
		XMLName xml.Name         `xml:"http://autoscaling.amazonaws.com/doc/2011-01-01/ DescribeAutoScalingGroupsResponse"`
		Groups  []describedGroup `xml:"DescribeAutoScalingGroupsResult>AutoScalingGroups>member"`
	}
	if slices.Contains(listed(form, "AutoScalingGroupNames"), Group) {
		out.Groups = []describedGroup{{Group, a.Min, a.Max, a.Desired, a.Unit, a.Instances}}
	}
	text, err := xml.Marshal(out)
	if err != nil {
		a.t.Error(err)
	}
	_, _ = w.Write(text)
}

func (a *API) setDesired(w http.ResponseWriter, form url.Values) {
	n, _ := strconv.Atoi(form.Get("DesiredCapacity"))
	if n < a.Min || n > a.Max {
		refuse(w, 400, "ValidationError", "New SetDesiredCapacity value is outside of the group's bounds")
		return
	}
	a.Desired = n
	for i := range a.Instances { // scaling in: whoever is not protected
		if m := a.Instances[len(a.Instances)-1-i]; a.Alive() > n && !m.Protected && m.State != "Terminating" {
			m.State = "Terminating"
			a.Taken = append(a.Taken, m.ID)
		}
	}
	a.done(w, "SetDesiredCapacity")
}

func (a *API) protect(w http.ResponseWriter, form url.Values) {
	names := listed(form, "InstanceIds")
	if len(names) > 50 {
		refuse(w, 400, "ValidationError", "too many instances")
		return
	}
	for _, name := range names {
		if m := a.Find(name); m == nil || m.State != "InService" {
			refuse(w, 400, "ValidationError", "The instance "+name+" is not in InService or Standby")
			return
		}
	}
	for _, name := range names {
		a.Find(name).Protected = form.Get("ProtectedFromScaleIn") == "true"
	}
	a.done(w, "SetInstanceProtection")
}

func (a *API) terminate(w http.ResponseWriter, form url.Values) {
	m := a.Find(form.Get("InstanceId"))
	place := form.Get("ShouldDecrementDesiredCapacity") == "true"
	switch {
	case m == nil || m.State == "Terminating":
		refuse(w, 400, "ValidationError", "Instance Id not found - No managed instance found for instance ID "+form.Get("InstanceId"))
		return
	case place && a.Desired <= a.Min:
		refuse(w, 400, "ValidationError", "Currently, desired capacity is at the minimum; cannot decrement")
		return
	}
	m.State = "Terminating"
	a.Ended = append(a.Ended, m.ID)
	if place {
		a.Desired--
	}
	a.done(w, "TerminateInstanceInAutoScalingGroup")
}

func (a *API) done(w http.ResponseWriter, action string) {
	fmt.Fprintf(w, `<%[1]sResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><%[1]sResult></%[1]sResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%[1]sResponse>`, action)
}

// Find returns the instance of that name, or nil.
func (a *API) Find(id string) *Instance {
	for _, m := range a.Instances {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// Alive returns how many are in service or come.
func (a *API) Alive() (n int) {
	for _, m := range a.Instances {
		if m.State == "InService" || strings.HasPrefix(m.State, "Pending") {
			n++
		}
	}
	return n
}

// listed reads a list of the Query protocol.
func listed(form url.Values, name string) (all []string) {
	for i := 1; form.Has(fmt.Sprintf("%s.member.%d", name, i)); i++ {
		all = append(all, form.Get(fmt.Sprintf("%s.member.%d", name, i)))
	}
	return all
}

// refuse answers with an error as the API words it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code, message)
}

// RefuseAll makes all requests fail from now on, an empty code none.
func (a *API) RefuseAll(status int, code string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusal = nil
	if code != "" {
		a.refusal = func(w http.ResponseWriter) { refuse(w, status, code, "planted") }
	}
}

// Refuse makes the next requests fail; an empty code lets one pass.
func (a *API) Refuse(status int, codes ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = nil
	for _, code := range codes {
		if code == "" {
			a.faults = append(a.faults, nil)
			continue
		}
		a.faults = append(a.faults, func(w http.ResponseWriter) { refuse(w, status, code, "planted") })
	}
}
