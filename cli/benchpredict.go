package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bcc/bench"
	"bcc/detect"
	"bcc/fault"
	"bcc/model"
	"bcc/native/ort"
)

// benchPredictFlags are the flags of bcc bench predict.
type benchPredictFlags struct {
	engineFlags
	clients         []int
	seconds         float64
	rounds          int
	overload        float64
	overloadSeconds float64
	url, key        string
	serveFlags      []string
	flask           bool
	flaskServers    []string
	flaskNetwork    string
	python          string
	json            bool
}

func newBenchPredict(std Streams) *cobra.Command {
	var f benchPredictFlags
	cmd := &cobra.Command{
		Use:   "predict",
		Short: "POST /predict over HTTP against the engine alone, and against the scaling guide's Flask",
		Long: `Sends pictures of one patch (JPEG, each one new) to bcc serve, started for it on a
free port, or to the server at --url, from a process of its own, and has the
engine run alone in turn, on the same cores:

  one client     how much the server adds to the engine's time for one patch
  more clients   images a second, to those of the engine
  overload       a multiple of the capacity, whatever is answered: what is answered,
                 how fast, and what it costs in memory

--flask measures the stack of the scaling guide beside it: Flask and PyTorch of
Debian (apt-get install python3-flask python3-torch python3-pil gunicorn
python3-waitress), with the same network and weights. What is missing is said.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.model, "model", "resnet18", "network with random weights, or a model's name or folder")
	fs.IntSliceVar(&f.clients, "clients", []int{1, 16}, "how many send at once; each is a comparison")
	fs.Float64Var(&f.seconds, "seconds", 5, "of each side in each round")
	fs.IntVar(&f.rounds, "rounds", 5, "how often each side runs; the median counts")
	fs.Float64Var(&f.overload, "overload", 4, "how many times the capacity is asked for at last; 0: not at all")
	fs.Float64Var(&f.overloadSeconds, "overload-seconds", 60, "for how long; 0: not at all")
	fs.StringVar(&f.url, "url", "", "measure this server, on this machine and with --model; empty: start one")
	fs.StringVar(&f.key, "key", "", "API key for --url")
	fs.StringArrayVar(&f.serveFlags, "serve-flag", nil, "a flag for the bcc serve that is started, as --name=value")
	fs.BoolVar(&f.flask, "flask", false, "measure the scaling guide's stack beside it")
	fs.StringSliceVar(&f.flaskServers, "flask-servers", []string{"flask", "gunicorn", "waitress"}, "its servers to try")
	fs.StringVar(&f.flaskNetwork, "flask-network", "", "network it serves, with random weights; empty: that of --model")
	fs.StringVar(&f.python, "python", "/usr/bin/python3", "Python that has Flask and PyTorch")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a comparison")
	fs.IntVar(&f.batch, "batch", 0, "patches a run of the engine; 0: as bcc serve has it")
	fs.StringVar(&f.device, "device", "cpu", "auto, cpu, cuda, cuda:0")
	fs.StringVar(&f.enginePath, "engine-library", "", "path of "+libraryName+"; empty: look in the usual places")
	return cmd
}

// newBenchLoad is the process that sends what bench predict asks for.
func newBenchLoad(std Streams) *cobra.Command {
	return &cobra.Command{
		Use: "load", Short: "Send the loads that standard input asks for", Hidden: true, Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runtime.GOMAXPROCS(bench.LoadCores(cores))
			return bench.ServeLoads(cmd.Context(), std.In, std.Out)
		},
	}
}

func (f *benchPredictFlags) run(ctx context.Context, std Streams) (err error) {
	b, err := benchBundle(f.model)
	if err != nil {
		return err
	}
	if b.Card.Kind != model.PatchClassifier {
		return fault.New(fault.Unsupported, "bench predict: model %s is a %s: want a %s", b.Card.Name, b.Card.Kind, model.PatchClassifier)
	}
	s, err := f.start(ctx, b, std)
	if err != nil {
		return err
	}
	defer func() {
		if closing := s.close(); err == nil {
			err = closing
		}
	}()
	c, err := f.comparison(b, s)
	if err != nil {
		return err
	}
	defer c.one.close()
	loader, err := startLoader(ctx, std)
	if err != nil {
		return err
	}
	defer loader.Close()
	c.Send = loader.Run

	if f.flask {
		peers := f.startFlask(ctx, std)
		defer func() {
			for _, p := range peers {
				p.Close()
			}
		}()
		for _, p := range peers {
			c.Peers = append(c.Peers, p.Target)
		}
	}
	figures, err := c.Run(ctx)
	if err != nil {
		return err
	}
	if err := showPredict(std.Out, f.json, figures); err != nil || f.overloadSeconds <= 0 || f.overload <= 0 {
		return err
	}
	for _, t := range worthOverloading(c.Ours, c.Peers, figures) {
		o, err := bench.Overload{
			Name: c.Name, Target: t, PatchPx: c.PatchPx, Send: c.Send, Clients: slices.Max(f.clients), CapacityS: 2 * f.seconds,
			Factor: f.overload, Seconds: f.overloadSeconds, Settle: settle(f.overloadSeconds), Cores: len(c.Bare),
		}.Run(ctx)
		if err != nil {
			return err
		}
		if err := showOverload(std.Out, f.json, o); err != nil {
			return err
		}
	}
	return nil
}

// comparison is a bench.Predict and what has to be freed after it.
type comparison struct {
	bench.Predict
	one *oneByOne
}

// comparison wires the engine's side of it.
func (f *benchPredictFlags) comparison(b *model.Bundle, s *benched) (*comparison, error) {
	one, err := openOne(b, f.engineFlags)
	if err != nil {
		return nil, err
	}
	d, err := s.detector(b)
	if err != nil {
		one.close()
		return nil, err
	}
	c := &comparison{one: one, Predict: bench.Predict{
		Name: f.model, Ours: s.target, PatchPx: b.Card.InputPx(),
		One: one.runner, Batch: s.engine.infos[0].Batch,
		Clients: f.clients, Seconds: f.seconds, Rounds: f.rounds,
	}}
	for _, r := range s.engine.runners {
		c.Bare = append(c.Bare, r.(bench.Again)) // the batcher's, idle while the server is
	}
	pixels, out := make([]byte, 3*c.PatchPx*c.PatchPx), make([]float32, s.engine.infos[0].Outputs)
	c.Served = func(ctx context.Context) error { return s.engine.runners[0].Run(ctx, [][]byte{pixels}, out) }
	c.Look = func(ctx context.Context, picture []byte) error {
		_, err := d.Look(ctx, detect.Source{
			ReaderAt: bytes.NewReader(picture), Size: int64(len(picture)), Name: "patch.jpg",
			SHA256: func() (string, error) { return "", nil },
		}, nil)
		return err
	}
	return c, nil
}

// settle returns how long a server may give memory back after an overload.
func settle(overloadSeconds float64) time.Duration {
	return time.Duration(min(overloadSeconds/4, 5) * float64(time.Second))
}

// oneByOne is the engine on batches of one.
type oneByOne struct {
	model  *ort.Model
	runner *ort.Runner
}

func openOne(b *model.Bundle, f engineFlags) (*oneByOne, error) {
	m, err := ort.Open(b.ONNX, engineConfig(&b.Card, f.device, 1))
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", b.Card.Name, err)
	}
	r, err := m.NewRunner()
	if err != nil {
		m.Close()
		return nil, err
	}
	return &oneByOne{m, r}, nil
}

func (o *oneByOne) close() {
	o.runner.Close()
	o.model.Close()
}

// startLoader starts this program once more, as the process that sends.
func startLoader(ctx context.Context, std Streams) (*bench.Loader, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return bench.StartLoader(ctx, std.Err, self, "bench", "load")
}

// detector returns the walk of the server's model, without a server.
func (s *benched) detector(b *model.Bundle) (*detect.Detector, error) {
	cfg := detectorConfig(b)
	cfg.OnePatch = true // as the server has it
	s.engine.describe(&cfg)
	return detect.New(cfg, s.engine)
}
