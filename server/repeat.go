package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"bcc/cohort"
	"bcc/fault"
)

// repeats keep what was submitted under an Idempotency-Key, so that a client that
// did not hear the answer can ask again without doing the work twice. They last for
// repeatKept while this process runs; at most maxRepeats are kept. What outlives the
// process is the cohort's Order.
type repeats struct {
	mu   sync.Mutex
	kept map[string]*repeat
	log  []string // keys in the order of their coming
}

type repeat struct {
	begun time.Time
	body  [sha256.Size]byte
	done  chan struct{}
	id    string // of the cohort; empty after done: it failed
}

const (
	repeatKept = 24 * time.Hour
	maxRepeats = 10_000
)

func newRepeats() *repeats { return &repeats{kept: map[string]*repeat{}} }

// repeatKey returns the caller's Idempotency-Key as its own; empty: none.
func repeatKey(c *call) (string, error) {
	key := c.Request.Header.Get("Idempotency-Key")
	if len(key) > 200 {
		return "", fault.New(fault.Invalid, "an Idempotency-Key of %d bytes: want at most 200", len(key))
	}
	if key == "" {
		return "", nil
	}
	return c.who.ID + "\x00" + key, nil
}

// errOtherOrder is the answer where a key is used for something else.
var errOtherOrder = refuse(http.StatusUnprocessableEntity, "take a new key for another cohort", "this Idempotency-Key came with another body before")

// orderOf returns what the ledger knows a repeated submission by, also after this
// process has ended. Nil: the client gave no key.
func orderOf(c *call, m cohort.Manifest) (*cohort.Order, error) {
	key, err := repeatKey(c)
	if err != nil || key == "" {
		return nil, err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return &cohort.Order{Key: hexSum([]byte(key)), Body: hexSum(body)}, nil
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// do submits what a client asks for, or returns the cohort that was made under the key
// before.
func (r *repeats) do(ctx context.Context, key string, what any, submit func() (string, error)) (id string, again bool, err error) {
	if key == "" {
		id, err = submit()
		return id, false, err
	}
	body, err := json.Marshal(what)
	if err != nil {
		return "", false, err
	}
	sum := sha256.Sum256(body)
	for {
		mine, other := r.begin(key, sum)
		if other == nil {
			id, err = submit()
			r.end(key, mine, id)
			return id, false, err
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return "", false, errGone
		}
		if other.body != sum {
			return "", false, errOtherOrder
		}
		if other.id != "" {
			return other.id, true, nil
		}
	}
}

func (r *repeats) begin(key string, sum [sha256.Size]byte) (mine, other *repeat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for len(r.log) > 0 {
		oldest := r.kept[r.log[0]]
		if oldest != nil && now.Sub(oldest.begun) < repeatKept && len(r.log) < maxRepeats {
			break
		}
		delete(r.kept, r.log[0])
		r.log = r.log[1:]
	}
	if other = r.kept[key]; other != nil {
		return nil, other
	}
	mine = &repeat{begun: now, body: sum, done: make(chan struct{})}
	r.kept[key] = mine
	r.log = append(r.log, key)
	return mine, nil
}

func (r *repeats) end(key string, mine *repeat, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mine.id = id; id == "" && r.kept[key] == mine {
		delete(r.kept, key)
	}
	close(mine.done)
}
