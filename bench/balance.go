package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"bcc/fault"
)

// Balance compares balancers in front of three servers, each as its users run it, in a
// process of its own. The servers are stubs, so that what differs is who is asked.
//
// What counts is how much later the last hundredth of answers comes than from the two
// healthy servers alone, asked in turn with nobody between: measured in the same minute,
// since machines are noisy.
type Balance struct {
	Fronts    []Front
	Scenarios []string // of BalanceScenarios
	Rounds    int      // the median counts

	Program string   // that ServesStubs runs
	Stub    []string // its arguments before a stub's flags
	Env     []string

	Service time.Duration // of a request
	Places  int           // requests at once of a server
	Load    float64       // share of what two servers can do
	Slow    float64       // how many times as long the slow one takes
	Probe   time.Duration // how often servers are asked whether they are ready
	Warm    time.Duration // before what is measured
	For     time.Duration // that is measured, of each side in each round
	Clients int           // of the scenario "most"
	Seed    uint64
	Cores   int
	Done    func(scenario, name string, round int) // one side has run; nil: nobody wants to know
}

// BalanceScenarios are what may be measured, in order.
var BalanceScenarios = []string{"well", "slow", "dies", "restart", "most"}

// BalanceFigures is how one balancer did in one scenario.
type BalanceFigures struct {
	Bench    string `json:"bench"`
	Scenario string `json:"scenario"`
	Balancer string `json:"balancer"`
	Version  string `json:"version,omitempty"`
	Rounds   int    `json:"rounds"`

	Offered  float64        `json:"offered_per_s,omitempty"` // none where each client waits for its answer
	Rate     float64        `json:"answered_per_s"`
	Requests int            `json:"requests"` // of all rounds
	Errors   int            `json:"errors"`
	Kinds    map[string]int `json:"error_kinds,omitempty"` // by status or reason
	Again    int            `json:"connections_reopened"`  // by clients whose kept connection was closed
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`

	// Ratio is that of the p99 to that of the two healthy servers alone; with "most" that
	// of the rate to theirs.
	Ratio     float64 `json:"ratio"`
	RatioLow  float64 `json:"ratio_low"`
	RatioHigh float64 `json:"ratio_high"`

	CPU     float64 `json:"cpu_s_per_1000,omitempty"` // of the balancer
	RSS     int64   `json:"rss_bytes,omitempty"`
	Late    float64 `json:"sent_late_p99_ms"` // behind the schedule, within every latency
	Machine Machine `json:"machine"`
}

// Validate returns every problem at once.
func (b Balance) Validate() error {
	var errs []error
	add := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, s := range b.Scenarios {
		add(!slices.Contains(BalanceScenarios, s), "no scenario %q: there are %s", s, strings.Join(BalanceScenarios, ", "))
	}
	add(b.Rounds < 1, "%d rounds: want 1 or more", b.Rounds)
	add(b.Service < time.Millisecond || b.Service > time.Minute, "a request of %v: want 1 ms to 1 min", b.Service)
	add(b.Places < 1 || b.Places > 1000, "%d requests at once: want 1 to 1000", b.Places)
	add(!(b.Load > 0 && b.Load < 1), "load %g: want a share of what two servers can do, above 0 and below 1", b.Load)
	add(!(b.Slow >= 1 && b.Slow <= 1000), "%g times as slow: want 1 to 1000", b.Slow)
	add(b.Probe < 10*time.Millisecond || b.Probe > time.Minute, "probes every %v: want 10 ms to 1 min", b.Probe)
	add(b.For < 50*time.Millisecond || b.For > time.Hour || b.Warm < 0, "%v measured after %v: want 50 ms or more", b.For, b.Warm)
	add(b.Clients < 1 || b.Clients > 10_000, "%d clients: want 1 to 10000", b.Clients)
	if err := errors.Join(errs...); err != nil {
		return fault.New(fault.Invalid, "balance: %w", err)
	}
	return nil
}

// rate is how many requests come a second.
func (b Balance) rate() float64 {
	return b.Load * 2 * float64(b.Places) / b.Service.Seconds()
}

// connectionsOfLoad are enough for an open load with seconds of answers in arrears.
const connectionsOfLoad = 2000

// balanceTimeout is how long a client waits for an answer.
const balanceTimeout = 10 * time.Second

// direct is the name of the servers without a balancer.
const direct = "two healthy servers alone"

// Run measures all, a round after the other, the sides in turn.
func (b Balance) Run(ctx context.Context) ([]BalanceFigures, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bcc-bench-balance-")
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir)
	sides := []*Front{nil} // nobody
	for i := range b.Fronts {
		sides = append(sides, &b.Fronts[i])
	}
	var all []BalanceFigures
	sums := map[string][][]balanceCell{} // by scenario, side, round
	for round := range b.Rounds {
		for _, s := range b.Scenarios {
			if sums[s] == nil {
				sums[s] = make([][]balanceCell, len(sides))
			}
			for i := range sides {
				at := (i + round) % len(sides) // nobody is always first
				c, err := b.cell(ctx, dir, s, sides[at], round)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", s, sideName(sides[at]), err)
				}
				sums[s][at] = append(sums[s][at], c)
				if b.Done != nil {
					b.Done(s, sideName(sides[at]), round)
				}
			}
		}
	}
	for _, s := range b.Scenarios {
		for i, side := range sides {
			all = append(all, b.sum(s, side, sums[s][i], sums[s][0]))
		}
	}
	return all, nil
}

func sideName(f *Front) string {
	if f == nil {
		return direct
	}
	return f.Name
}

// balanceCell is how one side did in one round of a scenario.
type balanceCell struct {
	balanceTally
	latency Latency
	rate    float64
	cpu     float64 // seconds
	rss     int64
}

// sum puts the rounds of a side together.
func (b Balance) sum(scenario string, side *Front, cells, alone []balanceCell) BalanceFigures {
	f := BalanceFigures{
		Bench: "balance", Scenario: scenario, Balancer: sideName(side), Rounds: len(cells), Kinds: map[string]int{}, Machine: machine(b.Cores),
	}
	if side != nil {
		f.Version = side.Version
	}
	if scenario != "most" {
		f.Offered = b.rate()
	}
	var rates, p50, p99, ratios, cpu, rss, late []float64
	for i, c := range cells {
		f.Requests += c.measured
		f.Again += c.again
		for kind, n := range c.errors {
			f.Kinds[kind] += n
			f.Errors += n
		}
		rates, p50, p99 = append(rates, c.rate), append(p50, c.latency.P50), append(p99, c.latency.P99)
		rss, late = append(rss, float64(c.rss)), append(late, latencyOf(slices.Clone(c.late)).P99)
		cpu = append(cpu, 1000*c.cpu/float64(max(c.sent, 1)))
		part, whole := c.latency.P99, alone[i].latency.P99
		if scenario == "most" {
			part, whole = c.rate, alone[i].rate
		}
		if whole > 0 {
			ratios = append(ratios, part/whole)
		}
	}
	f.Rate, f.P50, f.P99, f.CPU, f.RSS, f.Late = median(rates), median(p50), median(p99), median(cpu), int64(median(rss)), median(late)
	if len(ratios) > 0 {
		f.Ratio = median(ratios)
		f.RatioLow, f.RatioHigh = spread(ratios)
	}
	return f
}

// ErrorKinds returns what went wrong, the most frequent first, for people.
func (f BalanceFigures) ErrorKinds() string {
	kinds := slices.Collect(maps.Keys(f.Kinds))
	slices.SortFunc(kinds, func(a, b string) int {
		if n := f.Kinds[b] - f.Kinds[a]; n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d× %s", f.Kinds[k], k)
	}
	return strings.Join(kinds, ", ")
}
