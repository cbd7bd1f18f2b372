package cli

import (
	"cmp"
	"context"
	"slices"
	"time"

	"bcc/autoscale"
	"bcc/client"
)

// fleetSource is a server as bcc autoscale sees it: it knows what is to be done and who
// is there, and shows to others what is wanted.
type fleetSource struct {
	client *client.Client
	target string // as the server tells of it
}

var (
	_ autoscale.Source    = (*fleetSource)(nil)
	_ autoscale.Publisher = (*fleetSource)(nil)
)

// Fleet asks once: whoever decides every few seconds asks again soon enough.
func (s *fleetSource) Fleet(ctx context.Context) (autoscale.Fleet, error) {
	f, err := s.client.Once().Fleet(ctx)
	if err != nil {
		return autoscale.Fleet{}, asked(err)
	}
	return fleetOf(f), nil
}

// Publish tells the server what was decided.
func (s *fleetSource) Publish(ctx context.Context, p autoscale.Published) error {
	reason := p.Reason
	if len(reason) > 900 { // the server takes 1000
		reason = reason[:900] + " …"
	}
	return asked(s.client.Once().Want(ctx, client.Wish{Wanted: p.Wanted, Reason: reason, Policy: p.Policy, Target: s.target, At: p.At}))
}

// fleetOf says what the server said in the words of autoscale.
func fleetOf(f client.Fleet) autoscale.Fleet {
	out := autoscale.Fleet{Now: f.Timestamp, Shard: float64(f.ShardPatches)}
	for _, d := range f.Demands {
		out.Demands = append(out.Demands, autoscale.Demand{
			Urgent: d.Urgent, Deadline: orZero(d.Deadline), Slides: d.Slides, Patches: d.Patches, Deviation: d.Deviation,
			Largest: d.Largest, Since: orZero(d.Since), Newest: d.Newest,
		})
	}
	for _, w := range youngest(f.Workers) {
		out.Workers = append(out.Workers, autoscale.Worker{
			ID: w.ID, Kind: cmp.Or(w.Kind, loneKind), Busy: w.Busy > 0, Draining: w.Draining, PatchesPerS: w.CapacityPatchesPerS, CPUPercent: w.CPUPercent,
		})
	}
	return out
}

// youngest returns the workers, those first that were started last: of those who are
// idle the first ones go, and who has worked for long has more in its caches.
func youngest(all []client.FleetWorker) []client.FleetWorker {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b client.FleetWorker) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
