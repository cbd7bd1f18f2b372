package aws_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"bcc/autoscale/aws"
	"bcc/autoscale/aws/awstest"
	"bcc/fault"
)

func ids(of ...int) (all []string) {
	for _, i := range of {
		all = append(all, awstest.ID(i))
	}
	return all
}

func config(a *awstest.API) aws.Config {
	cfg := aws.DefaultConfig()
	cfg.Region, cfg.Groups, cfg.Endpoint, cfg.Attempts = awstest.Region, []string{awstest.Group}, a.URL, 1
	cfg.Credentials = credentials.NewStaticCredentialsProvider(awstest.AKID, awstest.Secret, awstest.Session)
	return cfg
}

func targetOf(t *testing.T, a *awstest.API) *aws.Target {
	t.Helper()
	target, err := aws.New(config(a))
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestTheCheckOfRequestsFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	m, err := awstest.Published()
	if err != nil {
		t.Fatal(err)
	}
	if m == nil {
		t.Skip("apt-get install python3-botocore brings the published description of the API")
	}
	good := "Action=SetInstanceProtection&Version=2011-01-01&AutoScalingGroupName=w&InstanceIds.member.1=i-1&ProtectedFromScaleIn=true"
	for _, c := range []struct{ from, to, says string }{
		{"", "", ""},
		{"SetInstanceProtection", "SetProtection", "no operation"},
		{"2011-01-01", "2011-01-02", "version"},
		{"&AutoScalingGroupName=w", "", "AutoScalingGroupName is required"},
		{"GroupName=w", "GroupName=" + strings.Repeat("w", 256), "outside its limits"},
		{"GroupName=w", "GroupName=%07", "does not match"},
		{"=true", "=yes", "no boolean"},
		{"=true", "=true&Force=true", "no parameter Force"},
		{"member.1", "member.2", "member 1 of 1"},
		{"InstanceIds.member.1", "InstanceIds", "a list is wanted"},
		{"=i-1", "=" + strings.Repeat("i", 20), "outside its limits"},
		{"=w", "=w&AutoScalingGroupName=v", "2 times"},
	} {
		form, err := url.ParseQuery(strings.Replace(good, c.from, c.to, 1))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Check(form); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s → %s: %v, want %q", c.from, c.to, err, c.says)
		}
	}
	if form, _ := url.ParseQuery("Action=SetDesiredCapacity&Version=2011-01-01&AutoScalingGroupName=w&DesiredCapacity=many"); m.Check(form) == nil {
		t.Error("a number in words is let pass")
	}
}

func TestItSaysWhatTheGroupHas(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, 1, 5, 20)
	a.Instances[1].State = "Pending:Wait"
	a.Instances[2].State = "Terminating:Wait"
	a.Instances[3].State = "Standby"
	groups, err := targetOf(t, a).Groups(t.Context())
	if err != nil || len(groups) != 1 {
		t.Fatal(groups, err)
	}
	// Two serve; one is pending, and two more are wanted than there are.
	if g := groups[0]; g.Name != "workers" || g.Min != 1 || g.Max != 20 || g.Ready != 2 || len(g.Starting) != 3 {
		t.Errorf("group = %+v", g)
	}
}

func TestItScales(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		has, to  int
		idle     []int
		left     int
		ended    []int
		arrange  func(*awstest.API)
		protects []int // in the end, of those that are left
	}{
		{"up", 2, 7, nil, 7, nil, nil, []int{0, 1}},
		{"up to its bound", 2, 70, nil, 10, nil, nil, []int{0, 1}},
		{"not at all", 2, 2, []int{0}, 2, nil, nil, []int{0, 1}},
		{"down to the busy ones", 4, 1, []int{2}, 3, []int{2}, nil, []int{0, 1, 3}},
		{"down by the first idle ones", 4, 2, []int{3, 1, 0}, 2, []int{3, 1}, nil, []int{0, 2}},
		{"down to its bound", 3, 0, []int{0, 1, 2}, 1, []int{0, 1}, nil, []int{2}},
		{"down by one that was protected", 3, 2, []int{1}, 2, []int{1}, func(a *awstest.API) { a.Instances[1].Protected = true }, []int{0, 2}},
		{"down by launches that never came", 5, 2, nil, 3, nil, func(a *awstest.API) { a.Instances = a.Instances[:3] }, []int{0, 1, 2}},
		{"not by one that is pending", 3, 1, []int{0, 1}, 2, []int{1}, func(a *awstest.API) { a.Instances[0].State = "Pending" }, []int{2}},
		{"not by a stranger", 3, 1, []int{77}, 3, nil, nil, []int{0, 1, 2}},
		{"down by those that came though they were given up", 4, 2, []int{0, 1, 2, 3}, 2, []int{0, 1}, func(a *awstest.API) { a.Desired = 3 }, []int{2, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := awstest.New(t, 1, c.has, 10)
			if c.arrange != nil {
				c.arrange(a)
			}
			left, err := targetOf(t, a).Scale(t.Context(), "workers", c.to, ids(c.idle...))
			if err != nil || left != c.left || a.Desired != c.left {
				t.Errorf("left = %d, %d desired, %v; want %d", left, a.Desired, err, c.left)
			}
			if !slices.Equal(a.Ended, ids(c.ended...)) || len(a.Taken) > 0 {
				t.Errorf("ended %v, and %v by chance; want %v", a.Ended, a.Taken, ids(c.ended...))
			}
			var protects []string
			for _, m := range a.Instances {
				if m.Protected && m.State == "InService" {
					protects = append(protects, m.ID)
				}
			}
			if !slices.Equal(protects, ids(c.protects...)) {
				t.Errorf("protected: %v, want %v", protects, ids(c.protects...))
			}
		})
	}
}

// Whatever the group is in, and wherever a call fails, no instance goes that is not idle.
func TestItEndsNoneThatIsBusy(t *testing.T) {
	t.Parallel()
	ended := 0
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(66, seed))
		has := r.IntN(9)
		a := awstest.New(t, 0, has, 12)
		var idle []string
		for _, m := range a.Instances {
			m.Protected = r.IntN(2) == 0
			if m.State = []string{"InService", "InService", "InService", "Pending", "Terminating"}[r.IntN(5)]; m.State == "InService" && r.IntN(2) == 0 {
				idle = append(idle, m.ID)
			}
		}
		a.Desired += r.IntN(3)
		to := r.IntN(has + 2)
		if at := r.IntN(8); at < 5 {
			a.Refuse(500, append(make([]string, at), "InternalFailure")...)
		}
		target := targetOf(t, a)
		before := max(a.Desired, a.Alive())
		left, err := target.Scale(t.Context(), "workers", to, idle)
		if err == nil && (left < min(to, before) || left > max(to, before)) {
			t.Errorf("seed %d: left %d of %d, wanted %d", seed, left, before, to)
		}
		a.Refuse(500)
		if _, err := target.Scale(t.Context(), "workers", to, idle); err != nil { // whoever comes after
			t.Errorf("seed %d: %v", seed, err)
		}
		for _, gone := range append(a.Ended, a.Taken...) {
			if ended++; !slices.Contains(idle, gone) && a.Find(gone).State != "Pending" {
				t.Errorf("seed %d: %s was ended; idle %v, to %d", seed, gone, idle, to)
			}
		}
		a.Close()
	}
	if ended < 40 {
		t.Errorf("%d instances ended in all: this test tested little", ended)
	}
}

func TestItProtectsMoreThanTheAPITakesAtOnce(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, 0, 120, 200)
	if left, err := targetOf(t, a).Scale(t.Context(), "workers", 121, nil); err != nil || left != 121 {
		t.Fatal(left, err)
	}
	if n := slices.IndexFunc(a.Instances, func(m *awstest.Instance) bool { return !m.Protected }); n >= 0 {
		t.Errorf("instance %d is not protected", n)
	}
	if want := []string{"DescribeAutoScalingGroups", "SetInstanceProtection", "SetInstanceProtection", "SetInstanceProtection", "SetDesiredCapacity"}; !slices.Equal(a.Calls, want) {
		t.Errorf("calls = %v", a.Calls)
	}
}

func TestItsErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		code       string
		kind       fault.Kind
		says, hint string
	}{
		{400, "Throttling", fault.Busy, "asked too much", ""},
		{500, "InternalFailure", fault.Unavailable, "aws: describe groups", ""},
		{503, "ServiceUnavailable", fault.Unavailable, "aws: describe groups", ""},
		{403, "ExpiredToken", fault.Invalid, "refused, or over", "get-caller-identity"},
		{403, "InvalidClientTokenId", fault.Invalid, "refused, or over", "get-caller-identity"},
		{403, "AccessDenied", fault.Invalid, "may not", "docs/aws-autoscaling.md"},
		{400, "RequestExpired", fault.Unavailable, "RequestExpired: planted", "clock"},
		{400, "ScalingActivityInProgress", fault.Busy, "ScalingActivityInProgress", ""},
		{400, "ValidationError", fault.Invalid, "ValidationError: planted", ""},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			a := awstest.New(t, 0, 3, 5)
			a.Refuse(c.status, c.code)
			target := targetOf(t, a)
			_, err := target.Groups(t.Context())
			if fault.Of(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.says) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("err = %v (%v, hint %q); want %v, %q, hint %q", err, fault.Of(err), fault.HintOf(err), c.kind, c.says, c.hint)
			}
			if _, err := target.Groups(t.Context()); err != nil {
				t.Errorf("asked again: %v", err)
			}
		})
	}
}

func TestItAsksAgainWhenItWasTooMuch(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, 0, 3, 5)
	a.Refuse(400, "Throttling")
	cfg := config(a)
	cfg.Attempts = 3
	target, err := aws.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.Groups(t.Context()); err != nil || len(a.Calls) != 2 {
		t.Errorf("%d calls, %v; want the second one to be answered", len(a.Calls), err)
	}
}

func TestItNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, 0, 3, 5)
	if _, err := targetOf(t, a).Scale(t.Context(), "others", 1, nil); fault.Of(err) != fault.NotFound || !strings.Contains(err.Error(), "others in eu-central-1") {
		t.Errorf("another group: %v", err)
	}
	a.Unit = "vcpu"
	if _, err := targetOf(t, a).Groups(t.Context()); fault.Of(err) != fault.Unsupported {
		t.Errorf("capacity in cores: %v", err)
	}
	a.Unit, a.Instances[0].Weight = "", "4"
	if _, err := targetOf(t, a).Groups(t.Context()); fault.Of(err) != fault.Unsupported {
		t.Errorf("capacity in weights: %v", err)
	}
	cfg := config(a)
	cfg.Credentials = sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
		return sdk.Credentials{}, errors.New("no role found")
	})
	target, err := aws.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.Groups(t.Context()); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "no role found") || fault.HintOf(err) == "" {
		t.Errorf("no credentials: %v (%v)", err, fault.Of(err))
	}
	a.Close()
	if _, err := targetOf(t, a).Groups(t.Context()); fault.Of(err) != fault.Unavailable {
		t.Errorf("no server: %v", err)
	}
}

func TestItChecksItsConfiguration(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, 0, 1, 1)
	for says, change := range map[string]func(*aws.Config){
		"no region":      func(c *aws.Config) { c.Region = "" },
		"want one as":    func(c *aws.Config) { c.Region = "Frankfurt am Main" },
		"no Auto":        func(c *aws.Config) { c.Groups = nil },
		"name 1":         func(c *aws.Config) { c.Groups = []string{""} },
		"named twice":    func(c *aws.Config) { c.Groups = []string{"a", "b", "a"} },
		"address":        func(c *aws.Config) { c.Endpoint = "autoscaling" },
		"no credentials": func(c *aws.Config) { c.Credentials = nil },
		"attempts":       func(c *aws.Config) { c.Attempts = 0 },
	} {
		cfg := config(a)
		change(&cfg)
		if _, err := aws.New(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}
