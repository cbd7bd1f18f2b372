package train

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"bcc/fault"
)

// Fact is something that must be the same: on every rank of a run, and in a
// checkpoint that a run goes on from.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// join proves that the ranks are about to do the same, and brings all of them to
// the state of rank 0's checkpoint where the run goes on from one.
func (t *trainer) join(ctx context.Context) error {
	if err := agree(ctx, t.job.World, append(slices.Clone(t.facts), Fact{"first weights", t.state.digest()})); err != nil {
		return err
	}
	data, err := t.resumeData()
	if data, err = spread(ctx, t.job.World, data, err); err != nil || data == nil {
		return err
	}
	if err := t.restore(data); err != nil {
		err = fmt.Errorf("go on from %s: %w", filepath.Join(t.cfg.Checkpoint, CheckpointFile), err)
		if fault.Of(err) == fault.Corrupt {
			err = fault.Hint(err, "%s", hintCorrupt)
		}
		return err
	}
	return agree(ctx, t.job.World, []Fact{{"weights", t.state.digest()}})
}

// hintCorrupt is what to do about a checkpoint that cannot be read.
const hintCorrupt = "put a good copy of it there, or begin anew with another --out; the best model so far stands in its own folder"

// resumeData returns the checkpoint to go on from, on rank 0; nil elsewhere and
// where training begins. A checkpoint that would be overwritten is an error.
func (t *trainer) resumeData() ([]byte, error) {
	if t.cfg.Checkpoint == "" || !t.rank0() {
		return nil, nil
	}
	unlock, err := lock(t.cfg.Checkpoint)
	if err != nil {
		return nil, err
	}
	t.unlock = unlock
	data, err := t.cfg.readCheckpoint()
	if err == nil && data != nil && len(data) == 0 {
		return nil, fault.Hint(fault.New(fault.Corrupt, "checkpoint in %s: the file is empty", t.cfg.Checkpoint), "%s", hintCorrupt)
	}
	if err == nil && data != nil && !t.cfg.Resume {
		return nil, fault.Hint(fault.New(fault.Invalid, "%s holds the checkpoint of an earlier run", t.cfg.Checkpoint),
			"--resume goes on from it; another --out begins anew")
	}
	return data, err
}

// spread brings data, or the error, from rank 0 to all ranks.
func spread(ctx context.Context, world Collective, data []byte, err error) ([]byte, error) {
	if world.Size() == 1 {
		return data, err
	}
	message := ""
	if err != nil {
		message = err.Error()
	}
	head := make([]byte, 24)
	binary.LittleEndian.PutUint64(head, uint64(len(data)))
	binary.LittleEndian.PutUint64(head[8:], uint64(len(message)))
	binary.LittleEndian.PutUint64(head[16:], uint64(fault.Of(err)))
	if e := world.Broadcast(ctx, head, 0); e != nil {
		return nil, fmt.Errorf("%w: %w", errLost, e)
	}
	n, m := binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint64(head[8:])
	kind := fault.Kind(binary.LittleEndian.Uint64(head[16:]))
	if world.Rank() != 0 && n > 0 {
		data = make([]byte, n)
	}
	text := make([]byte, m)
	copy(text, message)
	for _, b := range [][]byte{data, text} {
		if len(b) == 0 {
			continue
		}
		if e := world.Broadcast(ctx, b, 0); e != nil {
			return nil, fmt.Errorf("%w: %w", errLost, e)
		}
	}
	if m > 0 && err == nil {
		err = fault.New(kind, "rank 0: %s", text)
	}
	return data, err
}

// agree proves that every rank has the same facts. Each rank puts the digests of
// its facts where the others have zeros, so that the sum is all of them.
func agree(ctx context.Context, world Collective, facts []Fact) error {
	if world.Size() == 1 {
		return nil
	}
	const words = 2 // of 32 bits, which a float64 holds exactly
	row := words * len(facts)
	all := make([]float64, row*world.Size())
	for i, f := range facts {
		sum := sha256.Sum256([]byte(f.Name + "\x00" + f.Value))
		for w := range words {
			all[world.Rank()*row+i*words+w] = float64(binary.LittleEndian.Uint32(sum[4*w:]))
		}
	}
	if err := world.AllReduce(ctx, all); err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	var errs []error
	for i, f := range facts {
		var others []int
		for r := range world.Size() {
			if !slices.Equal(all[r*row+i*words:r*row+(i+1)*words], all[i*words:(i+1)*words]) {
				others = append(others, r)
			}
		}
		if len(others) > 0 {
			errs = append(errs, fmt.Errorf("%s is not the same on all ranks: ranks %v differ from rank 0 (rank %d has %s)", f.Name, others, world.Rank(), f.Value))
		}
	}
	if len(errs) > 0 {
		return fault.Hint(fault.New(fault.Invalid, "%w", errors.Join(errs...)),
			"every rank must be started with the same program, data and flags")
	}
	return nil
}

// validate measures the present weights. What rank 0 found counts on all ranks, so
// that they all stop or go on.
func (t *trainer) validate(ctx context.Context) (Metrics, error) {
	if t.job.Validate == nil {
		return Metrics{}, nil
	}
	m, err := t.job.Validate(ctx, t.state.weights)
	if err != nil {
		return Metrics{}, err
	}
	if m, err = t.first(ctx, m); err != nil {
		return Metrics{}, err
	}
	if math.IsNaN(m.Loss) || math.IsInf(m.Loss, 0) {
		return Metrics{}, fault.Hint(fault.New(fault.Invalid, "the loss is %v: these weights give answers that are no numbers", m.Loss),
			"nothing of this epoch is kept; begin anew with a lower learning rate and another --out")
	}
	return m, nil
}

// first returns what rank 0 measured.
func (t *trainer) first(ctx context.Context, m Metrics) (Metrics, error) {
	if t.job.World.Size() == 1 {
		return m, nil
	}
	both := binary.LittleEndian.AppendUint64(nil, math.Float64bits(m.Loss))
	both = binary.LittleEndian.AppendUint64(both, math.Float64bits(m.AUROC))
	if err := t.job.World.Broadcast(ctx, both, 0); err != nil {
		return Metrics{}, fmt.Errorf("%w: %w", errLost, err)
	}
	return Metrics{math.Float64frombits(binary.LittleEndian.Uint64(both)), math.Float64frombits(binary.LittleEndian.Uint64(both[8:]))}, nil
}
