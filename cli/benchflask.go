package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bcc/bench"
	"bcc/fault"
	"bcc/grad/net"
)

// basicBlocks are the networks that PyTorch builds as we do, by their basic blocks
// a stage.
var basicBlocks = map[string][]int{
	"resnet18": {2, 2, 2, 2}, "resnet10-slim": {1, 1, 1, 1}, "resnet18-slim": {2, 2, 2, 2},
}

// startFlask starts the scaling guide's stack in every setting that can be had, and
// says what cannot.
func (f *benchPredictFlags) startFlask(ctx context.Context, std Streams) (peers []*bench.Peer) {
	note := func(err error) { fmt.Fprintf(std.Err, "bcc: note: no comparison with Flask: %v\n", err) }
	n, err := f.flaskNet()
	if err != nil {
		note(err)
		return nil
	}
	for _, s := range bench.FlaskSettings(cores) {
		if !slices.Contains(f.flaskServers, s.Server) {
			continue
		}
		p, err := bench.StartFlask(ctx, f.python, s, n)
		if err != nil {
			note(err)
			continue
		}
		peers = append(peers, p)
	}
	return peers
}

// flaskNet describes the network with the weights that benchBundle gives it.
func (f *benchPredictFlags) flaskNet() (bench.FlaskNet, error) {
	name := f.flaskNetwork
	if name == "" {
		name = f.model
	}
	blocks, ok := basicBlocks[name]
	if !ok {
		return bench.FlaskNet{}, fault.Hint(fault.New(fault.Unsupported, "it does not have the network %s", name), "--flask-network resnet18, resnet10-slim or resnet18-slim")
	}
	n, err := net.Build(name, benchNet)
	if err != nil {
		return bench.FlaskNet{}, err
	}
	return bench.FlaskNet{
		Blocks: blocks, First: n.Graph.Params()[0].Shape[0], Slim: strings.HasSuffix(name, "-slim"),
		Mean: n.Mean, Std: n.Std, Weights: n.Weights.Params,
	}, nil
}

// worthOverloading returns our server, and of each kind of the others the setting
// that did most.
func worthOverloading(ours bench.Target, peers []bench.Target, figures []bench.PredictFigures) []bench.Target {
	out := []bench.Target{ours}
	best := map[string]float64{}
	at := map[string]int{}
	for _, p := range peers {
		kind, _, _ := strings.Cut(p.Name, " ")
		kind = strings.TrimSuffix(kind, ",")
		rate := 0.0
		for _, f := range figures {
			if f.Server == p.Name {
				rate = max(rate, f.Rate)
			}
		}
		switch i, ok := at[kind]; {
		case !ok:
			at[kind], best[kind] = len(out), rate
			out = append(out, p)
		case rate > best[kind]:
			best[kind], out[i] = rate, p
		}
	}
	return out
}
