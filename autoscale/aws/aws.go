// Package aws moves the number of workers on EC2: a kind of worker is an Auto Scaling
// group of its name, a worker is an instance, and its ID is the instance's.
//
// In: how many there should be, and which of them are idle. Out: the group's desired
// capacity is raised, or idle instances are ended one by one, each taking its place in
// the desired capacity with it; all others are protected from whoever else scales the
// group in. It asks the API and keeps nothing: one that is killed between two requests
// has ended an idle instance or has not.
//
//	aws.go     Groups and Scale
//	config.go  how the API is reached
//	calls.go   the four requests
//	errors.go  what their errors mean
package aws

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"bcc/autoscale"
	"bcc/fault"
)

// atOnce is how many instances one Scale ends; the rest goes with the next one.
const atOnce = 50

// Target is autoscale.Target over Auto Scaling groups.
type Target struct {
	cfg    Config
	client *autoscaling.Client
	log    *slog.Logger
}

var _ autoscale.Target = (*Target)(nil)

// New returns the target. It asks nothing yet: an API that does not answer now may do
// so later.
func New(cfg Config) (*Target, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Target{cfg: cfg, client: cfg.client(), log: log}, nil
}

// Groups says what each group has: instances in service, and those on their way, such
// as are wanted and not there yet included. Min and Max are the group's.
func (t *Target) Groups(ctx context.Context) ([]autoscale.Group, error) {
	found, err := t.describe(ctx, t.cfg.Groups)
	if err != nil {
		return nil, err
	}
	groups := make([]autoscale.Group, 0, len(found))
	for _, name := range t.cfg.Groups { // in the order in which they were named
		g := autoscale.Group{Kind: autoscale.Kind{Name: name, Min: found[name].min, Max: found[name].max}}
		g.Ready = len(found[name].serving)
		// When they take work nobody here knows: an instance is in service before its
		// worker is.
		g.Starting = make([]time.Time, found[name].starting+found[name].missing())
		groups = append(groups, g)
	}
	return groups, nil
}

// Scale brings the group to n workers, within its own bounds. It protects every
// instance but those that go, so that nobody's scaling in ends one that works, and
// ends idle ones by their IDs. Capacity that was wanted and never came is given up
// first.
func (t *Target) Scale(ctx context.Context, kind string, n int, idle []string) (left int, err error) {
	if n < 0 {
		return 0, fault.New(fault.Invalid, "scale %s to %d workers: want 0 or more", kind, n)
	}
	found, err := t.describe(ctx, []string{kind})
	if err != nil {
		return 0, err
	}
	g := found[kind]
	n = min(max(n, g.min), g.max)
	if n < g.present() {
		return t.shrink(ctx, g, n, idle)
	}
	if err := t.protect(ctx, kind, g.unprotected(nil), true); err != nil {
		return g.present(), err
	}
	if n > g.desired {
		err = t.setDesired(ctx, kind, n)
	}
	return n, err
}

// shrink makes it fewer: n is below what is there, and not below the group's least.
func (t *Target) shrink(ctx context.Context, g group, n int, idle []string) (int, error) {
	left := g.present()
	extra := left - g.desired        // that came though they were given up: their places are gone
	gone := min(g.missing(), left-n) // launches that are given up
	going := g.among(idle, min(left-gone-n, atOnce))
	if err := t.protect(ctx, g.name, g.unprotected(going), true); err != nil {
		return left, err
	}
	if gone > 0 {
		// Should they come in this moment, the group ends as many that are not
		// protected, and those are new.
		if err := t.setDesired(ctx, g.name, left-gone); err != nil {
			return left, err
		}
		left -= gone
	}
	if err := t.protect(ctx, g.name, g.protected(going), false); err != nil {
		return left, err
	}
	for i, id := range going {
		ended, err := t.end(ctx, id, i >= extra)
		if err != nil {
			return left, err
		}
		if ended {
			left--
		}
	}
	return left, nil
}

// group is what counts of an Auto Scaling group.
type group struct {
	name              string
	min, max, desired int
	serving           []instance // in service
	starting          int        // launched, and not in service yet
}

type instance struct {
	id        string
	protected bool // from scaling in
}

// newGroup reads a group. Its capacity has to count instances: in others one worker
// more is not one more.
func newGroup(a types.AutoScalingGroup) (group, error) {
	g := group{name: sdk.ToString(a.AutoScalingGroupName), min: int(sdk.ToInt32(a.MinSize)), max: int(sdk.ToInt32(a.MaxSize)), desired: int(sdk.ToInt32(a.DesiredCapacity))}
	if unit := sdk.ToString(a.DesiredCapacityType); unit != "" && unit != "units" {
		return g, weighed(g.name, unit)
	}
	for _, i := range a.Instances {
		if w := sdk.ToString(i.WeightedCapacity); w != "" && w != "1" {
			return g, weighed(g.name, "weights")
		}
		switch state := string(i.LifecycleState); {
		case i.LifecycleState == types.LifecycleStateInService:
			g.serving = append(g.serving, instance{sdk.ToString(i.InstanceId), sdk.ToBool(i.ProtectedFromScaleIn)})
		case strings.HasPrefix(state, "Pending"):
			g.starting++
		}
	}
	return g, nil
}

func weighed(name, unit string) error {
	return fault.Hint(fault.New(fault.Unsupported, "the Auto Scaling group %s counts its capacity in %s, not in instances", name, unit),
		"make a group for each kind of machine: bcc weighs them by what they do")
}

// present is how many are paid for, or will be.
func (g group) present() int { return max(g.desired, len(g.serving)+g.starting) }

// missing is how many are wanted and were not launched yet.
func (g group) missing() int { return max(g.desired-len(g.serving)-g.starting, 0) }

// among returns the first n of ids that are in service.
func (g group) among(ids []string, n int) []string {
	var some []string
	for _, id := range ids {
		if len(some) >= n {
			break
		}
		serves := slices.ContainsFunc(g.serving, func(i instance) bool { return i.id == id })
		if serves && !slices.Contains(some, id) {
			some = append(some, id)
		}
	}
	return some
}

// unprotected returns those in service that are not protected, but for some.
func (g group) unprotected(but []string) []string {
	return g.ids(func(i instance) bool { return !i.protected && !slices.Contains(but, i.id) })
}

// protected returns those of some that are protected.
func (g group) protected(some []string) []string {
	return g.ids(func(i instance) bool { return i.protected && slices.Contains(some, i.id) })
}

func (g group) ids(want func(instance) bool) []string {
	var ids []string
	for _, i := range g.serving {
		if want(i) {
			ids = append(ids, i.id)
		}
	}
	return ids
}
