package aws

import (
	"context"
	"fmt"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"bcc/fault"
)

const (
	namesAtOnce   = 50 // groups of one question
	protectAtOnce = 50 // instances of one change of protection: the API's limit
)

// describe returns the groups of these names.
func (t *Target) describe(ctx context.Context, names []string) (map[string]group, error) {
	found := map[string]group{}
	for some := range slices.Chunk(names, namesAtOnce) {
		in := &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: some, MaxRecords: sdk.Int32(namesAtOnce)}
		for more := true; more; more = sdk.ToString(in.NextToken) != "" {
			var out *autoscaling.DescribeAutoScalingGroupsOutput
			err := t.do(ctx, "describe groups", func(ctx context.Context) (err error) {
				out, err = t.client.DescribeAutoScalingGroups(ctx, in)
				return err
			})
			if err != nil {
				return nil, err
			}
			for _, a := range out.AutoScalingGroups {
				g, err := newGroup(a)
				if err != nil {
					return nil, err
				}
				found[g.name] = g
			}
			in.NextToken = out.NextToken
		}
	}
	for _, name := range names {
		if _, ok := found[name]; !ok {
			return nil, fault.Hint(fault.New(fault.NotFound, "there is no Auto Scaling group %s in %s", name, t.cfg.Region),
				"aws autoscaling describe-auto-scaling-groups --region %s lists them", t.cfg.Region)
		}
	}
	return found, nil
}

// setDesired sets the desired capacity at once, whatever was scaled a moment ago.
func (t *Target) setDesired(ctx context.Context, name string, n int) error {
	in := &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: &name, DesiredCapacity: sdk.Int32(int32(n)), HonorCooldown: sdk.Bool(false)}
	return t.do(ctx, fmt.Sprintf("set the capacity of %s to %d", name, n), func(ctx context.Context) error {
		_, err := t.client.SetDesiredCapacity(ctx, in)
		return err
	})
}

// protect keeps instances from being ended when somebody scales the group in, or lets
// them be.
func (t *Target) protect(ctx context.Context, name string, ids []string, on bool) error {
	for some := range slices.Chunk(ids, protectAtOnce) {
		in := &autoscaling.SetInstanceProtectionInput{AutoScalingGroupName: &name, InstanceIds: some, ProtectedFromScaleIn: sdk.Bool(on)}
		err := t.do(ctx, "protect instances of "+name, func(ctx context.Context) error {
			_, err := t.client.SetInstanceProtection(ctx, in)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// end ends an instance, and where asked its place in the desired capacity with it. One that is not
// there any more was ended by somebody else.
func (t *Target) end(ctx context.Context, id string, place bool) (ended bool, err error) {
	in := &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: &id, ShouldDecrementDesiredCapacity: &place}
	err = t.do(ctx, "end instance "+id, func(ctx context.Context) error {
		_, err := t.client.TerminateInstanceInAutoScalingGroup(ctx, in)
		return err
	})
	if isGone(err) {
		t.log.Info("instance is gone already", "instance", id)
		return false, nil
	}
	return err == nil, err
}

// do makes one call, with a time limit, and gives its error a kind.
func (t *Target) do(ctx context.Context, what string, f func(context.Context) error) error {
	timed, cancel := context.WithTimeoutCause(ctx, t.cfg.Timeout, fmt.Errorf("no answer within %v", t.cfg.Timeout))
	defer cancel()
	if _, err := t.client.Options().Credentials.Retrieve(timed); err != nil && ctx.Err() == nil {
		return fmt.Errorf("aws: %s: %w", what, noCredentials(err))
	}
	err := f(timed)
	if err == nil {
		return nil
	}
	if ctx.Err() == nil && timed.Err() != nil {
		err = fault.New(fault.Unavailable, "%w", context.Cause(timed))
	}
	return fmt.Errorf("aws: %s: %w", what, kinded(err))
}
