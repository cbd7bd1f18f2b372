package aws_test

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

	"github.com/aws/aws-sdk-go-v2/credentials"

	"bcc/autoscale/aws"
)

// api answers as the Auto Scaling API does, for one group. Each request is held
// against the published description, where that is installed.
type api struct {
	*httptest.Server
	t *testing.T

	mu                sync.Mutex
	min, max, desired int
	instances         []*machine
	calls             []string // actions, as they came
	ended             []string // instances
	taken             []string // of these, by a scaling in that nobody's ID asked for
	faults            []func(http.ResponseWriter)
	unit              string
}

type machine struct {
	ID        string `xml:"InstanceId"`
	State     string `xml:"LifecycleState"`
	Protected bool   `xml:"ProtectedFromScaleIn"`
	Health    string `xml:"HealthStatus"`
	Weight    string `xml:"WeightedCapacity,omitempty"`
}

func newAPI(t *testing.T, min, desired, max int) *api {
	a := &api{t: t, min: min, max: max, desired: desired}
	for i := range desired {
		a.instances = append(a.instances, &machine{ID: id(i), State: "InService", Health: "Healthy"})
	}
	a.Server = httptest.NewUnstartedServer(a)
	a.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.Start()
	t.Cleanup(a.Close)
	return a
}

// id is the name of an instance, of 19 characters.
func id(i int) string { return fmt.Sprintf("i-%017d", i) }

func ids(of ...int) (all []string) {
	for _, i := range of {
		all = append(all, id(i))
	}
	return all
}

func (a *api) target(t *testing.T) *aws.Target {
	t.Helper()
	target, err := aws.New(a.config())
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func (a *api) config() aws.Config {
	cfg := aws.DefaultConfig()
	cfg.Region, cfg.Groups, cfg.Endpoint, cfg.Attempts = "eu-central-1", []string{"workers"}, a.URL, 1
	cfg.Credentials = credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "session")
	return cfg
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		a.t.Error(err)
	}
	a.checkRequest(r)
	action := r.PostForm.Get("Action")
	a.calls = append(a.calls, action)
	if len(a.faults) > 0 {
		f := a.faults[0]
		if a.faults = a.faults[1:]; f != nil {
			f(w)
			return
		}
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
func (a *api) checkRequest(r *http.Request) {
	if m, err := published(); err != nil {
		a.t.Error(err)
	} else if m != nil {
		if err := m.check(r.PostForm); err != nil {
			a.t.Errorf("%s: %v", r.PostForm.Get("Action"), err)
		}
	}
	signed := r.Header.Get("Authorization")
	if r.Method != http.MethodPost || !strings.HasPrefix(signed, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(signed, "/eu-central-1/autoscaling/aws4_request") ||
		r.Header.Get("X-Amz-Security-Token") != "session" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		a.t.Errorf("%s, signed %q, of type %q", r.Method, signed, r.Header.Get("Content-Type"))
	}
}

type describedGroup struct {
	Name      string     `xml:"AutoScalingGroupName"`
	Min       int        `xml:"MinSize"`
	Max       int        `xml:"MaxSize"`
	Desired   int        `xml:"DesiredCapacity"`
	Unit      string     `xml:"DesiredCapacityType,omitempty"`
	Instances []*machine `xml:"Instances>member"`
}

func (a *api) describe(w http.ResponseWriter, form url.Values) {
	var out struct {
		XMLName xml.Name         `xml:"http://autoscaling.amazonaws.com/doc/2011-01-01/ DescribeAutoScalingGroupsResponse"`
		Groups  []describedGroup `xml:"DescribeAutoScalingGroupsResult>AutoScalingGroups>member"`
	}
	if slices.Contains(listed(form, "AutoScalingGroupNames"), "workers") {
		out.Groups = []describedGroup{{"workers", a.min, a.max, a.desired, a.unit, a.instances}}
	}
	text, err := xml.Marshal(out)
	if err != nil {
		a.t.Error(err)
	}
	_, _ = w.Write(text)
}

func (a *api) setDesired(w http.ResponseWriter, form url.Values) {
	n, _ := strconv.Atoi(form.Get("DesiredCapacity"))
	if n < a.min || n > a.max {
		refuse(w, 400, "ValidationError", "New SetDesiredCapacity value is outside of the group's bounds")
		return
	}
	a.desired = n
	for i := range a.instances { // scaling in: whoever is not protected
		if m := a.instances[len(a.instances)-1-i]; a.alive() > n && !m.Protected && m.State != "Terminating" {
			m.State = "Terminating"
			a.taken = append(a.taken, m.ID)
		}
	}
	a.done(w, "SetDesiredCapacity")
}

func (a *api) protect(w http.ResponseWriter, form url.Values) {
	names := listed(form, "InstanceIds")
	if len(names) > 50 {
		refuse(w, 400, "ValidationError", "too many instances")
		return
	}
	for _, name := range names {
		if m := a.find(name); m == nil || m.State != "InService" {
			refuse(w, 400, "ValidationError", "The instance "+name+" is not in InService or Standby")
			return
		}
	}
	for _, name := range names {
		a.find(name).Protected = form.Get("ProtectedFromScaleIn") == "true"
	}
	a.done(w, "SetInstanceProtection")
}

func (a *api) terminate(w http.ResponseWriter, form url.Values) {
	m := a.find(form.Get("InstanceId"))
	place := form.Get("ShouldDecrementDesiredCapacity") == "true"
	switch {
	case m == nil || m.State == "Terminating":
		refuse(w, 400, "ValidationError", "Instance Id not found - No managed instance found for instance ID "+form.Get("InstanceId"))
		return
	case place && a.desired <= a.min:
		refuse(w, 400, "ValidationError", "Currently, desired capacity is at the minimum; cannot decrement")
		return
	}
	m.State = "Terminating"
	a.ended = append(a.ended, m.ID)
	if place {
		a.desired--
	}
	a.done(w, "TerminateInstanceInAutoScalingGroup")
}

func (a *api) done(w http.ResponseWriter, action string) {
	fmt.Fprintf(w, `<%[1]sResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><%[1]sResult></%[1]sResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></%[1]sResponse>`, action)
}

func (a *api) find(id string) *machine {
	for _, m := range a.instances {
		if m.ID == id {
			return m
		}
	}
	return nil
}

func (a *api) alive() (n int) {
	for _, m := range a.instances {
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

// fails makes the next requests fail; an empty code lets one pass.
func (a *api) fails(status int, codes ...string) {
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
