package bench

import (
	"context"
	"slices"
	"time"
)

// Overload asks a server for a multiple of what it can do.
type Overload struct {
	Name    string // of the network
	Target  Target
	PatchPx int
	Send    func(ctx context.Context, l Load) (LoadFigures, error)

	Clients   int     // whose rate is the capacity
	CapacityS float64 // seconds that it is measured for
	Factor    float64 // of the capacity
	Seconds   float64
	Settle    time.Duration // after the overload, before memory is asked for once more
	Cores     int
}

// OverloadFigures is what became of it.
type OverloadFigures struct {
	Bench   string `json:"bench"`
	Name    string `json:"network"`
	Server  string `json:"server"`
	Version string `json:"version"`

	Capacity   float64 `json:"capacity_images_per_s"` // Clients that wait for their answers
	Clients    int     `json:"clients"`
	AtCapacity Latency `json:"at_capacity"`         // of those
	Nearly     Latency `json:"at_0.9_of_capacity"`  // of requests that come by themselves
	Offered    float64 `json:"offered_per_s"`       // in the overload
	Seconds    float64 `json:"seconds"`             // of it
	Rate       float64 `json:"images_per_s"`        // accepted in it
	Kept       float64 `json:"ratio"`               // Rate to Capacity
	P99Ratio   float64 `json:"p99_ratio"`           // of the accepted, to that at capacity
	P99Nearly  float64 `json:"p99_ratio_to_nearly"` // and to that at 0.9

	Status     map[string]int `json:"status"`
	Others     int            `json:"neither_200_nor_429"`
	Accepted   Latency        `json:"accepted"`
	Refused    Latency        `json:"refused"`
	RetryAfter map[string]int `json:"retry_after,omitempty"`
	Late       float64        `json:"sent_late_p99_ms"`
	ClientCPU  float64        `json:"client_cpu_ms_per_request"`
	Cached     int            `json:"cached"`

	RSSBefore int64   `json:"rss_before_bytes"`
	RSSEarly  int64   `json:"rss_early_bytes"` // median of the first third of the overload
	RSSLate   int64   `json:"rss_late_bytes"`  // and of the last
	RSSMost   int64   `json:"rss_most_bytes"`
	RSSAfter  int64   `json:"rss_after_bytes"`
	Machine   Machine `json:"machine"`
}

// connections bounds those of loads that do not wait. A server that answers at
// once, if only with 429, needs a few.
const connections = 1024

// Run measures the capacity, nine tenths of it, and the overload.
func (o Overload) Run(ctx context.Context) (OverloadFigures, error) {
	f := OverloadFigures{
		Bench: "predict-overload", Name: o.Name, Server: o.Target.Name, Version: o.Target.Version,
		Clients: o.Clients, Seconds: o.Seconds, Machine: machine(o.Cores), RSSBefore: o.Target.RSS(),
	}
	load := Load{
		Address: o.Target.Address, Key: o.Target.Key, PatchPx: o.PatchPx,
		Clients: o.Clients, Seconds: o.CapacityS, WarmS: min(o.CapacityS/4, 2),
	}
	closed, err := o.Send(ctx, load)
	if err != nil {
		return f, err
	}
	f.Capacity, f.AtCapacity = closed.Rate, closed.Accepted
	if f.Capacity == 0 {
		f.Status = closed.Status
		return f, nil // nothing to be a multiple of
	}
	load.Clients, load.Rate = connections, 0.9*f.Capacity
	nearly, err := o.Send(ctx, load)
	if err != nil {
		return f, err
	}
	f.Nearly = nearly.Accepted

	load.Rate, load.Seconds, load.WarmS = o.Factor*f.Capacity, o.Seconds, 0
	f.Offered = load.Rate
	watching, stop := context.WithCancel(ctx)
	heard := make(chan []int64, 1)
	go func() { heard <- watchRSS(watching, o.Target.RSS) }()
	most, err := o.Send(ctx, load)
	stop()
	rss := <-heard
	if err != nil {
		return f, err
	}
	f.take(most, rss)
	select {
	case <-time.After(o.Settle):
	case <-ctx.Done():
		return f, context.Cause(ctx)
	}
	f.RSSAfter = o.Target.RSS()
	return f, nil
}

// take takes down what the overload gave.
func (f *OverloadFigures) take(most LoadFigures, rss []int64) {
	f.Rate, f.Kept = most.Rate, most.Rate/f.Capacity
	f.Status, f.Accepted, f.Refused, f.RetryAfter = most.Status, most.Accepted, most.Refused, most.RetryAfter
	f.Late, f.ClientCPU, f.Cached = most.Late, most.ClientCPU, most.Cached
	for status, n := range most.Status {
		if status != "200" && status != "429" {
			f.Others += n
		}
	}
	if f.AtCapacity.P99 > 0 {
		f.P99Ratio = f.Accepted.P99 / f.AtCapacity.P99
	}
	if f.Nearly.P99 > 0 {
		f.P99Nearly = f.Accepted.P99 / f.Nearly.P99
	}
	third := (len(rss) + 2) / 3
	f.RSSEarly, f.RSSLate, f.RSSMost = middle(rss[:third]), middle(rss[len(rss)-third:]), slices.Max(rss)
}

// middle returns the median.
func middle(values []int64) int64 {
	v := slices.Sorted(slices.Values(values))
	return v[len(v)/2]
}
