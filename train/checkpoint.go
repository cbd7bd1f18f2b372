package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"bcc/disk"
	"bcc/fault"
)

// CheckpointFile is the file that a run goes on from, in Config.Checkpoint:
//
//	"bcc train\n", format version (uint32), length of the header (uint32)
//	header: JSON
//	parameters, state, both moments, best parameters, best state: float32
//	SHA-256 of all before it
//
// Numbers are little-endian. The last two lists are there once an epoch has ended.
const CheckpointFile = "checkpoint"

const (
	checkpointMagic   = "bcc train\n"
	checkpointVersion = 1
	maxHeader         = 64 << 20 // a history of 200,000 epochs
)

// header is what a checkpoint says of itself.
type header struct {
	Facts  []Fact `json:"facts"` // what must be the same to go on
	Params int    `json:"params"`
	States int    `json:"states"`
	state
}

// checkpointIfDue writes a checkpoint within an epoch when it is time.
func (t *trainer) checkpointIfDue() error {
	n := t.cfg.CheckpointSteps
	if (n == 0 || t.state.Steps%n != 0) && !(t.cfg.CheckpointEvery < time.Since(t.saved)) {
		return nil
	}
	return t.checkpoint()
}

// checkpoint writes the state, on rank 0 alone: all ranks have the same.
func (t *trainer) checkpoint() error {
	if t.cfg.Checkpoint == "" || !t.rank0() {
		return nil
	}
	path := filepath.Join(t.cfg.Checkpoint, CheckpointFile)
	if err := disk.Replace(path, t.encode); err != nil {
		return fault.Hint(fault.New(fault.Unavailable, "write checkpoint: %w", err), "the one before it is whole: make room and go on with --resume")
	}
	t.saved = time.Now()
	return nil
}

// encode writes a checkpoint.
func (t *trainer) encode(w io.Writer) error {
	s := &t.state
	text, err := json.Marshal(header{t.facts, len(s.weights.Params), len(s.weights.State), *s})
	if err != nil {
		return err
	}
	h := sha256.New()
	both := io.MultiWriter(w, h)
	head := append([]byte(checkpointMagic), make([]byte, 8)...)
	binary.LittleEndian.PutUint32(head[len(checkpointMagic):], checkpointVersion)
	binary.LittleEndian.PutUint32(head[len(checkpointMagic)+4:], uint32(len(text)))
	if _, err := both.Write(append(head, text...)); err != nil {
		return err
	}
	for _, list := range s.floats() {
		if err := writeFloats(both, list); err != nil {
			return err
		}
	}
	_, err = w.Write(h.Sum(nil))
	return err
}

// writeFloats writes little-endian float32.
func writeFloats(w io.Writer, list []float32) error {
	buf := make([]byte, 0, 4<<14)
	for len(list) > 0 {
		n := min(len(list), cap(buf)/4)
		buf = buf[:0]
		for _, v := range list[:n] {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// parseCheckpoint splits a checkpoint's bytes into its header and its floats,
// which still are bytes. Everything that it says of lengths is proved.
func parseCheckpoint(data []byte) (*header, []byte, error) {
	corrupt := func(format string, args ...any) (*header, []byte, error) {
		return nil, nil, fault.New(fault.Corrupt, format, args...)
	}
	rest, ok := bytes.CutPrefix(data, []byte(checkpointMagic))
	if !ok || len(rest) < 8+sha256.Size {
		return corrupt("not a checkpoint")
	}
	if v := binary.LittleEndian.Uint32(rest); v != checkpointVersion {
		return nil, nil, fault.New(fault.Unsupported, "checkpoint of format %d, this program reads %d", v, checkpointVersion)
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return corrupt("checksum does not match: cut short or damaged")
	}
	n := uint64(binary.LittleEndian.Uint32(rest[4:]))
	rest = rest[8 : len(rest)-sha256.Size]
	if n > maxHeader || n > uint64(len(rest)) {
		return corrupt("header of %d bytes in %d", n, len(rest))
	}
	h := &header{state: state{Best: -1}}
	if err := json.Unmarshal(rest[:n], h); err != nil {
		return corrupt("header: %w", err)
	}
	rest = rest[n:]
	if h.Epoch < 0 || h.Step < 0 || h.Steps < 0 || h.Best < -1 || h.Best >= len(h.History) || h.Epoch != len(h.History) ||
		h.Partial.Samples < 0 || h.Params < 0 || h.States < 0 || h.Params > len(rest) || h.States > len(rest) {
		return corrupt("header makes no sense")
	}
	floats := 3*h.Params + h.States
	if h.Best >= 0 {
		floats += h.Params + h.States
	}
	if len(rest) != 4*floats {
		return corrupt("%d bytes of weights, want %d", len(rest), 4*floats)
	}
	return h, rest, nil
}

// restore puts a checkpoint into the state.
func (t *trainer) restore(data []byte) error {
	h, floats, err := parseCheckpoint(data)
	if err != nil {
		return err
	}
	if err := differences(h.Facts, t.facts); err != nil {
		return err
	}
	s := &t.state
	if h.Params != len(s.weights.Params) || h.States != len(s.weights.State) {
		return fault.New(fault.Invalid, "checkpoint of %d parameters and %d of state, the network has %d and %d",
			h.Params, h.States, len(s.weights.Params), len(s.weights.State))
	}
	h.state.weights, h.state.opt = s.weights, s.opt
	if h.Best >= 0 {
		h.state.best.Params, h.state.best.State = make([]float32, h.Params), make([]float32, h.States)
	}
	*s = h.state
	s.opt.steps = s.Steps
	for _, list := range s.floats() {
		for i := range list {
			list[i] = math.Float32frombits(binary.LittleEndian.Uint32(floats[4*i:]))
		}
		floats = floats[4*len(list):]
	}
	return nil
}

// differences says where a checkpoint is of another run.
func differences(had, want []Fact) error {
	values := map[string]string{}
	for _, f := range had {
		values[f.Name] = f.Value
	}
	var errs []error
	for _, f := range want {
		if v, ok := values[f.Name]; !ok {
			errs = append(errs, fmt.Errorf("%s: the checkpoint does not say, this run has %s", f.Name, f.Value))
		} else if v != f.Value {
			errs = append(errs, fmt.Errorf("%s: %s in the checkpoint, %s in this run", f.Name, v, f.Value))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fault.Hint(fault.New(fault.Invalid, "the checkpoint is of another run: %w", errors.Join(errs...)),
		"give what it was begun with to go on, or another --out to begin anew")
}

// readCheckpoint returns the checkpoint's bytes, nil where there is none.
func (c Config) readCheckpoint() ([]byte, error) {
	path := filepath.Join(c.Checkpoint, CheckpointFile)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err == nil && !info.Mode().IsRegular():
		return nil, fault.New(fault.Corrupt, "checkpoint %s: not a regular file", path)
	case err == nil && info.Size() > maxCheckpoint:
		return nil, fault.New(fault.Corrupt, "checkpoint %s: %d bytes, at most %d", path, info.Size(), int64(maxCheckpoint))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "read checkpoint: %w", err)
	}
	return data, nil
}

// maxCheckpoint is five copies of 500 million parameters.
const maxCheckpoint = 10 << 30
