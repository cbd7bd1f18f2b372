package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"bcc/blob"
	"bcc/fault"
)

// Rows in the store: what the model gave for the patches of one shard.
//
//	bytes 0–7   "BCCROWS" and the version
//	4 bytes     length of the header, little endian as all numbers
//	header      JSON: whose rows these are, and for people who made them
//	rows        float32, Outputs a patch, in the shard's order
//	32 bytes    SHA-256 of everything before
const (
	rowsPrefix = "patches/"
	rowsMagic  = "BCCROWS\x01"

	maxRowsHeader = 64 << 10
	maxRowsBytes  = 256 << 20 // a shard of 1,024 embeddings takes 4 to 16 MiB
)

// rowsHeader says whose rows these are. What is not needed to read them is for
// people who wonder where a number came from.
type rowsHeader struct {
	Key     string `json:"key"` // the object's: rows that lie in another's place are found
	Patches int    `json:"patches"`
	Outputs int    `json:"outputs"`

	Program  string    `json:"program"` // version
	Worker   string    `json:"worker"`
	Kind     string    `json:"kind,omitempty"` // of worker
	Devices  []string  `json:"devices"`
	TookS    float64   `json:"took_s"`
	ComputeS float64   `json:"compute_s"` // its share of the worker's time
	Made     time.Time `json:"made"`
}

// shardRows is a rows object in memory.
type shardRows struct {
	rowsHeader
	values []float32
}

// perPatch is how long a patch took its maker.
func (r *shardRows) perPatch() time.Duration {
	return time.Duration(r.TookS / float64(max(r.Patches, 1)) * float64(time.Second))
}

func (r *shardRows) encode() []byte {
	header, err := json.Marshal(r.rowsHeader)
	if err != nil {
		panic(err) // nothing in it can fail to be encoded
	}
	b := make([]byte, 0, len(rowsMagic)+4+len(header)+4*len(r.values)+sha256.Size)
	b = append(b, rowsMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	b = append(b, header...)
	for _, v := range r.values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// decodeRows reads the object of that key. Corrupt: it is not what was written.
func decodeRows(key string, b []byte) (*shardRows, error) {
	bad := func(what string) (*shardRows, error) {
		return nil, fault.New(fault.Corrupt, "rows %s: %s", key, what)
	}
	if len(b) < len(rowsMagic)+4+sha256.Size {
		return bad("cut off")
	}
	body, end := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], end) {
		return bad("they do not fit their checksum")
	}
	if string(body[:len(rowsMagic)]) != rowsMagic {
		return bad("written by another version")
	}
	rest := body[len(rowsMagic):]
	n := binary.LittleEndian.Uint32(rest)
	if rest = rest[4:]; n > maxRowsHeader || int(n) > len(rest) {
		return bad("their header is cut off")
	}
	r := &shardRows{}
	if err := json.Unmarshal(rest[:n], &r.rowsHeader); err != nil {
		return bad("their header cannot be read")
	}
	rest = rest[n:]
	if r.Key != key {
		return bad("they belong elsewhere")
	}
	if r.Patches < 0 || r.Outputs < 1 || len(rest)%(4*r.Outputs) != 0 || len(rest)/(4*r.Outputs) != r.Patches {
		return bad("their number is not what the header says")
	}
	r.values = make([]float32, len(rest)/4)
	for i := range r.values {
		r.values[i] = math.Float32frombits(binary.LittleEndian.Uint32(rest[4*i:]))
	}
	return r, nil
}

// CheckRows reads the rows at the key, "patches/…". NotFound: there are none; Corrupt:
// they hold other bytes than were written, or another's.
func CheckRows(ctx context.Context, store blob.Store, key string) error {
	_, err := readRows(ctx, store, key)
	return err
}

func readRows(ctx context.Context, store blob.Store, key string) (*shardRows, error) {
	b, err := blob.Read(ctx, store, key, maxRowsBytes)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return decodeRows(key, b)
}

// lookUp returns the rows at the key, nil where there are none. What does not fit its
// checksum is taken away, as if it had not been there.
func (w *Worker) lookUp(ctx context.Context, key string, patches int) (*shardRows, error) {
	r, err := readRows(ctx, w.store, key)
	if err == nil && (r.Patches != patches || r.Outputs != w.model.Detect.Outputs) {
		err = fault.New(fault.Corrupt, "rows %s: %d patches of %d outputs, want %d of %d", key, r.Patches, r.Outputs, patches, w.model.Detect.Outputs)
	}
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case fault.Of(err) == fault.NotFound:
		return nil, nil
	case fault.Of(err) == fault.Corrupt:
		w.log.Error("rows that do not fit their checksum are dropped", "rows", key, "error", err)
		w.metrics.shards.WithLabelValues(shardPoisoned).Inc()
		return nil, ofStore(w.store.Delete(ctx, key))
	}
	return nil, ofStore(err)
}

// keep puts the rows into the store, and returns those that stand there: of two that
// made the same the first wins, so that all who read the slide read the same.
func (w *Worker) keep(ctx context.Context, r *shardRows) (*shardRows, error) {
	data := r.encode()
	for range 3 { // a poisoned one in its place is taken away
		err := w.store.Create(ctx, r.Key, bytes.NewReader(data))
		if err == nil {
			w.metrics.shards.WithLabelValues(shardMade).Inc()
			return r, nil
		}
		if !errors.Is(err, blob.ErrExists) {
			return nil, ofStore(err)
		}
		first, err := w.lookUp(ctx, r.Key, r.Patches)
		if err != nil {
			return nil, err
		}
		if first != nil {
			w.metrics.shards.WithLabelValues(shardLostRace).Inc()
			return first, nil
		}
	}
	return nil, ofStore(fault.New(fault.Unavailable, "keep rows %s: what lies there is damaged each time", r.Key))
}
