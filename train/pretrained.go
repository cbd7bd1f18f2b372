package train

import (
	"encoding/binary"
	"math"

	"bcc/fault"
	"bcc/grad"
)

// Pretrained returns the best weights so far in the checkpoint of another run, whose
// folder is dir, as first weights of a run on p: transfer learning. The networks must
// have the same parameters; data, schedule and seed may differ.
func Pretrained(dir string, p *grad.Program) (grad.Weights, error) {
	data, err := Config{Checkpoint: dir}.readCheckpoint()
	if err != nil {
		return grad.Weights{}, err
	}
	if data == nil {
		return grad.Weights{}, fault.Hint(fault.New(fault.NotFound, "no file %s in %s", CheckpointFile, dir),
			"bcc train leaves it in the folder checkpoint of its --out")
	}
	h, floats, err := parseCheckpoint(data)
	if err != nil {
		return grad.Weights{}, fault.New(fault.Of(err), "checkpoint in %s: %w", dir, err)
	}
	want := parametersFact(p)
	for _, f := range h.Facts {
		if f.Name == want.Name && f.Value != want.Value || h.Params != size(p.Params) || h.States != size(p.State) {
			return grad.Weights{}, fault.Hint(fault.New(fault.Invalid, "checkpoint in %s: of another network", dir),
				"the networks must be the same, classes included")
		}
	}
	w := grad.Weights{Params: make([]float32, h.Params), State: make([]float32, h.States)}
	if h.Best >= 0 { // behind the last weights and both moments
		floats = floats[4*(3*h.Params+h.States):]
	}
	for _, list := range [][]float32{w.Params, w.State} {
		for i := range list {
			list[i] = math.Float32frombits(binary.LittleEndian.Uint32(floats[4*i:]))
		}
		floats = floats[4*len(list):]
	}
	return w, nil
}
