package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	fleet "bcc/client"
	"bcc/fault"
)

// Scale compares one and two workers of one core each, as processes of their own that
// share the queue of a server: everything as users have it.
type Scale struct {
	Name    string   // of the network
	Program string   // bcc
	Flags   []string // for server and workers: the model and what it needs
	Env     []string
	Slides  []string // files
	Rounds  int
	Cores   int

	// Compute scores all patches of a slide with one runner and does nothing else; it
	// returns how many there are and the processor and wall seconds of scoring alone.
	Compute func(ctx context.Context, path string) (patches int, cpuS, wallS float64, err error)
}

// ScaleFigures is what it said. Each figure is the median of the rounds.
type ScaleFigures struct {
	Bench   string  `json:"bench"` // fleet/scale
	Name    string  `json:"network"`
	Slides  int     `json:"slides"`
	Patches int     `json:"patches"`
	Rounds  int     `json:"rounds"`
	One     float64 `json:"one_patches_per_s"`
	Two     float64 `json:"two_patches_per_s"`
	Ratio   float64 `json:"ratio"` // of two workers to one
	Low     float64 `json:"ratio_low"`
	High    float64 `json:"ratio_high"`

	ComputeCPU float64 `json:"compute_cpu_ms_per_patch"` // reading and scoring alone
	FleetCPU   float64 `json:"fleet_cpu_ms_per_patch"`   // server and one worker
	ServerCPU  float64 `json:"server_cpu_ms_per_patch"`  // of that
	Overhead   float64 `json:"overhead"`                 // of the fleet's to compute's, less 1
	OverLow    float64 `json:"overhead_low"`
	OverHigh   float64 `json:"overhead_high"`
	Machine    Machine `json:"machine"`
}

// lookEvery is how often it is asked how far a cohort is: as a person's page would.
const lookEvery = 250 * time.Millisecond

// Run runs both in turn.
func (s Scale) Run(ctx context.Context) (ScaleFigures, error) {
	out := ScaleFigures{Bench: "fleet/scale", Name: s.Name, Slides: len(s.Slides), Rounds: s.Rounds, Machine: machine(s.Cores)}
	var ones, twos, ratios, computes, fleets, servers, overs []float64
	for range s.Rounds {
		patches, compute, err := s.compute(ctx)
		if err != nil {
			return out, err
		}
		one, server, fleet, err := s.fleet(ctx, 1)
		if err != nil {
			return out, err
		}
		two, _, _, err := s.fleet(ctx, 2)
		if err != nil {
			return out, err
		}
		n := float64(patches)
		out.Patches = patches
		ones, twos, ratios = append(ones, n/one), append(twos, n/two), append(ratios, one/two)
		computes, fleets, overs = append(computes, compute/n*1000), append(fleets, fleet/n*1000), append(overs, fleet/compute-1)
		servers = append(servers, server/n*1000)
	}
	out.One, out.Two, out.Ratio = median(ones), median(twos), median(ratios)
	out.Low, out.High = spread(ratios)
	out.ComputeCPU, out.FleetCPU, out.Overhead = median(computes), median(fleets), median(overs)
	out.OverLow, out.OverHigh = spread(overs)
	out.ServerCPU = median(servers)
	return out, nil
}

// compute returns all patches, and the processor seconds that scoring them takes.
func (s Scale) compute(ctx context.Context) (patches int, cpuS float64, err error) {
	for _, path := range s.Slides {
		n, cpu, _, err := s.Compute(ctx, path)
		if err != nil {
			return 0, 0, err
		}
		patches, cpuS = patches+n, cpuS+cpu
	}
	return patches, cpuS, nil
}

// fleet has so many workers walk the slides and returns the seconds from submission to
// the last end, and the processor seconds of the server and of all processes meanwhile.
func (s Scale) fleet(ctx context.Context, workers int) (tookS, serverS, cpuS float64, err error) {
	dir, err := os.MkdirTemp("", "bcc-bench-scale-")
	if err != nil {
		return 0, 0, 0, fault.New(fault.Unavailable, "%w", err)
	}
	defer os.RemoveAll(dir)
	var peers []*Peer
	defer func() {
		for _, p := range slices.Backward(peers) { // workers before their server
			err = errors.Join(err, p.Close())
		}
	}()
	start := func(name string, pin int, args ...string) error {
		address, err := FreeAddress()
		if err != nil {
			return err
		}
		program, args := s.Program, append(args, s.Flags...)
		env := s.Env
		if name == "worker" {
			args = append(args, "--metrics-addr", address)
			env = append(slices.Clip(env), "GOMAXPROCS=1") // a worker of one core
			if path, err := exec.LookPath("taskset"); err == nil && s.Cores > 1 {
				program, args = path, append([]string{"-c", fmt.Sprint(pin % s.Cores), s.Program}, args...)
			}
		} else {
			args = append(args, "--addr", address)
		}
		p, err := StartPeer(ctx, Target{Name: name, Address: address}, "/readyz", env, program, args...)
		if err == nil {
			peers = append(peers, p)
		}
		return err
	}
	join, err := FreeAddress()
	if err != nil {
		return 0, 0, 0, err
	}
	data := filepath.Join(dir, "data")
	if err := start("server", 0, "serve", "--data", data, "--workers", "0", "--queue-listen", join); err != nil {
		return 0, 0, 0, err
	}
	ask, err := newAsker(peers[0].Address)
	if err != nil {
		return 0, 0, 0, err
	}
	defer ask.Close()
	order := fleet.Order{Name: "bench"}
	for i, path := range s.Slides {
		u, err := ask.Upload(ctx, path, true)
		if err != nil {
			return 0, 0, 0, err
		}
		order.Slides = append(order.Slides, fleet.OrderSlide{Upload: u.SHA256, Name: fmt.Sprint(i)})
	}
	for i := range workers {
		if err := start("worker", i, "worker", "--queue", "nats://"+join, "--store", filepath.Join(data, "store"), "--jobs", "2", "--scratch", filepath.Join(dir, "scratch", fmt.Sprint(i))); err != nil {
			return 0, 0, 0, err
		}
	}
	cpu := func() (sum float64) {
		for _, p := range peers {
			sum += p.CPU()
		}
		return sum
	}
	begun, before, server := time.Now(), cpu(), peers[0].CPU()
	c, err := ask.Submit(ctx, order)
	if err != nil {
		return 0, 0, 0, err
	}
	for !c.Over() {
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return 0, 0, 0, context.Cause(ctx)
		}
		if c, err = ask.Cohort(ctx, c.ID); err != nil {
			return 0, 0, 0, err
		}
	}
	tookS, serverS, cpuS = time.Since(begun).Seconds(), peers[0].CPU()-server, cpu()-before
	if c.Counts.Done != len(s.Slides) {
		return 0, 0, 0, fault.New(fault.Internal, "of %d slides only %d are done", len(s.Slides), c.Counts.Done)
	}
	return tookS, serverS, cpuS, nil
}

func newAsker(address string) (*fleet.Client, error) {
	cfg := fleet.DefaultConfig()
	cfg.Server = "http://" + address
	return fleet.New(cfg)
}
