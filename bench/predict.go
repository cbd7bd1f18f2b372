package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"bcc/fault"
)

// Predict compares /predict over HTTP with the engine alone, which has no picture
// to decode, no request to read and no one to answer.
type Predict struct {
	Name    string // of the network
	Ours    Target
	Peers   []Target // others that serve the same network, to be measured in turn
	PatchPx int      // side of a picture: the model's patch

	One    Again                                           // the engine on a batch of one
	Served func(ctx context.Context) error                 // one patch on a runner as the server has them; nil: left out
	Look   func(ctx context.Context, picture []byte) error // decodes and scores a picture without HTTP; nil: left out
	Bare   []Again                                         // one a core
	Batch  int                                             // patches a run of those

	Send    func(ctx context.Context, l Load) (LoadFigures, error)
	Clients []int   // how many at once; each is a comparison
	Seconds float64 // of each side in each round
	Rounds  int

	files [][]byte // pictures for Look
}

// Target is a server that answers /predict.
type Target struct {
	Name    string
	Version string
	Address string         // host:port
	Key     string         // API key; empty: none
	RSS     func() int64   // resident bytes
	Memory  func() int64   // the same, but pages that its processes share count once; nil: RSS
	CPU     func() float64 // processor seconds so far; nil: not known
}

// PredictFigures is what one server did with one number of clients. Each figure is
// the median of the rounds.
type PredictFigures struct {
	Bench   string `json:"bench"`
	Name    string `json:"network"`
	Server  string `json:"server"`
	Version string `json:"version"`
	Clients int    `json:"clients"`
	Rounds  int    `json:"rounds"`

	Rate       float64 `json:"images_per_s"`
	EngineRate float64 `json:"engine_images_per_s"` // all cores, on ready-made batches
	Ratio      float64 `json:"ratio"`
	RatioLow   float64 `json:"ratio_low"`
	RatioHigh  float64 `json:"ratio_high"`
	P50        float64 `json:"p50_ms"`
	P90        float64 `json:"p90_ms"`
	P99        float64 `json:"p99_ms"`

	// With one client:
	EngineOne float64 `json:"engine_one_ms,omitempty"` // the engine on a batch of one patch
	ServedOne float64 `json:"served_one_ms,omitempty"` // on one patch in a batch of the server's size, from bytes
	LookOne   float64 `json:"look_ms,omitempty"`       // decoded and scored, without HTTP
	Added     float64 `json:"added_ms,omitempty"`      // p50 less EngineOne
	AddedLow  float64 `json:"added_low_ms,omitempty"`
	AddedHigh float64 `json:"added_high_ms,omitempty"`

	EngineCPU float64 `json:"engine_cpu_ms_per_image"` // of all cores: neighbours disturb it less than time
	ServerCPU float64 `json:"server_cpu_ms_per_image,omitempty"`

	Memory int64 `json:"memory_bytes,omitempty"` // after the load; largest of the rounds

	Status     map[string]int `json:"status"` // of all rounds
	Cached     int            `json:"cached"`
	ClientCPU  float64        `json:"client_cpu_ms_per_request"`
	Client     float64        `json:"client_share"`     // of the cores, that the server did not have
	Difference float64        `json:"score_difference"` // from the first server's, of the same picture
	Machine    Machine        `json:"machine"`
}

// Validate returns what is wrong.
func (p Predict) Validate() error {
	switch {
	case p.Rounds < 1:
		return fault.New(fault.Invalid, "bench predict: %d rounds: want 1 or more", p.Rounds)
	case len(p.Clients) == 0 || slices.Min(p.Clients) < 1:
		return fault.New(fault.Invalid, "bench predict: clients %v: want 1 or more each", p.Clients)
	case !(p.Seconds > 0):
		return fault.New(fault.Invalid, "bench predict: %v seconds: want more than 0", p.Seconds)
	}
	return nil
}

// Run measures; the figures of a number of clients stand together, ours first.
func (p Predict) Run(ctx context.Context) ([]PredictFigures, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	made, err := shown(p.PatchPx)
	if err != nil {
		return nil, err
	}
	for _, f := range made {
		p.files = append(p.files, bytes.Clone(f)) // they are stamped
	}
	targets := append([]Target{p.Ours}, p.Peers...)
	scores := make([]float64, len(targets))
	for i, t := range targets {
		if scores[i], err = t.ask(p.files[0]); err != nil {
			return nil, err
		}
	}
	var all []PredictFigures
	for _, clients := range p.Clients {
		some, err := p.clients(ctx, clients, targets)
		if err != nil {
			return all, err
		}
		for i := range some {
			some[i].Difference = max(scores[i]-scores[0], scores[0]-scores[i])
		}
		all = append(all, some...)
	}
	return all, nil
}

// ask sends one picture, always the same, and returns the score: a server that
// cannot be measured is found before anything is.
func (t Target) ask(picture []byte) (float64, error) {
	c := &client{address: t.Address, timeout: 30 * time.Second}
	defer c.close()
	a, err := c.do(newMessage(t.Address, t.Key, picture), uint64(time.Now().UnixNano()))
	if err != nil {
		return 0, fault.New(fault.Unavailable, "%s at %s: %w", t.Name, t.Address, err)
	}
	if a.status != 200 {
		return 0, fault.New(fault.Unavailable, "%s at %s answers %d: %.300s", t.Name, t.Address, a.status, a.body)
	}
	var body struct {
		Score *float64 `json:"score"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil || body.Score == nil {
		return 0, fault.New(fault.Unavailable, "%s at %s answers without a score: %.300s", t.Name, t.Address, a.body)
	}
	return *body.Score, nil
}

// side is what the rounds of one server gave.
type side struct {
	rate, ratio, p50, p90, p99, added, cpu, server []float64
	status                                         map[string]int
	cached                                         int
	memory                                         int64
}

// clients measures the engine and every server in turn.
func (p Predict) clients(ctx context.Context, clients int, targets []Target) ([]PredictFigures, error) {
	var engine, engineCPU, one, served, look []float64
	sides := make([]side, len(targets))
	for range p.Rounds {
		cpu := CPUSeconds()
		alone, err := p.engine(ctx)
		if err != nil {
			return nil, err
		}
		rate := alone.rate()
		engine, engineCPU = append(engine, rate), append(engineCPU, (CPUSeconds()-cpu)*1e3/float64(max(alone.patches, 1)))
		if clients == 1 {
			for _, m := range []struct {
				into *[]float64
				run  func(context.Context, int) error
			}{{&one, p.runOne}, {&served, p.runServed}, {&look, p.runLook}} {
				if err := p.latency(ctx, m.into, m.run); err != nil {
					return nil, err
				}
			}
		}
		for i, t := range targets {
			before := t.cpu()
			f, err := p.Send(ctx, Load{
				Address: t.Address, Key: t.Key, PatchPx: p.PatchPx, Clients: clients,
				Seconds: p.Seconds, WarmS: min(p.Seconds/4, 1),
			})
			if err != nil {
				return nil, err
			}
			s := &sides[i]
			s.add(f, rate)
			s.memory = max(s.memory, t.memory())
			s.server = append(s.server, (t.cpu()-before)*1e3/float64(max(f.Requests, 1)))
			if clients == 1 {
				s.added = append(s.added, f.Accepted.P50-one[len(one)-1])
			}
		}
	}
	out := make([]PredictFigures, len(targets))
	for i, t := range targets {
		s := sides[i]
		f := PredictFigures{
			Bench: "predict", Name: p.Name, Server: t.Name, Version: t.Version, Clients: clients, Rounds: p.Rounds,
			Rate: median(s.rate), EngineRate: median(engine), Ratio: median(s.ratio),
			P50: median(s.p50), P90: median(s.p90), P99: median(s.p99),
			EngineCPU: median(engineCPU), ServerCPU: median(s.server),
			EngineOne: median(one), Added: median(s.added), Memory: s.memory,
			Status: s.status, Cached: s.cached, ClientCPU: median(s.cpu), Machine: machine(len(p.Bare)),
		}
		f.RatioLow, f.RatioHigh = spread(s.ratio)
		f.Client = f.ClientCPU / 1e3 * f.Rate / float64(f.Machine.Cores)
		if clients == 1 {
			f.AddedLow, f.AddedHigh = spread(s.added)
		}
		if i == 0 {
			f.ServedOne, f.LookOne = median(served), median(look)
		}
		out[i] = f
	}
	return out, nil
}

func (s *side) add(f LoadFigures, engine float64) {
	s.rate, s.ratio = append(s.rate, f.Rate), append(s.ratio, f.Rate/engine)
	s.p50, s.p90, s.p99 = append(s.p50, f.Accepted.P50), append(s.p90, f.Accepted.P90), append(s.p99, f.Accepted.P99)
	s.cpu, s.cached = append(s.cpu, f.ClientCPU), s.cached+f.Cached
	if s.status == nil {
		s.status = map[string]int{}
	}
	for k, n := range f.Status {
		s.status[k] += n
	}
}

// engine runs the engine alone, every runner at once.
func (p Predict) engine(ctx context.Context) (measured, error) {
	return Detect{Bare: p.Bare, Batch: p.Batch}.engine(ctx, seconds(p.Seconds))
}

func (t Target) cpu() float64 {
	if t.CPU == nil {
		return 0
	}
	return t.CPU()
}

func (t Target) memory() int64 {
	switch {
	case t.Memory != nil:
		return t.Memory()
	case t.RSS != nil:
		return t.RSS()
	}
	return 0
}

func (p Predict) runOne(ctx context.Context, _ int) error { return p.One.Again(ctx) }

func (p Predict) runServed(ctx context.Context, _ int) error {
	if p.Served == nil {
		return errLeftOut
	}
	return p.Served(ctx)
}

// runLook looks at the picture of that number, each of which is new.
func (p Predict) runLook(ctx context.Context, n int) error {
	if p.Look == nil {
		return errLeftOut
	}
	file := p.files[n%len(p.files)]
	stamp(file, uint64(time.Now().UnixNano()))
	return p.Look(ctx, file)
}

var errLeftOut = errors.New("left out")

// latency appends the median time of a run, in milliseconds, of as many as fit into
// half of the seconds; nothing where the run is left out.
func (p Predict) latency(ctx context.Context, into *[]float64, run func(context.Context, int) error) error {
	var took []time.Duration
	until := time.Now().Add(seconds(p.Seconds / 2))
	for n := 0; n == 0 || time.Now().Before(until); n++ {
		begin := time.Now()
		if err := run(ctx, n); err == errLeftOut {
			return nil
		} else if err != nil {
			return err
		}
		if n > 0 { // the first is a warm-up
			took = append(took, time.Since(begin))
		}
	}
	if len(took) > 0 {
		*into = append(*into, latencyOf(took).P50)
	}
	return nil
}
