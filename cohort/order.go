package cohort

import (
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
)

// ErrOtherOrder says that something else was submitted under the order's key before.
var ErrOtherOrder = errors.New("another cohort was submitted under this key")

// orderID returns the identity of the cohort of an order. Those before the n-th were
// cancelled: a submission that failed half-way is withdrawn.
func orderID(key string, n int) string {
	sum := sha256.Sum256([]byte(key + "/" + strconv.Itoa(n)))
	return "c" + letters.EncodeToString(sum[:])[:idLetters]
}

// maxOrders is how often an order can be withdrawn until its key is used up.
const maxOrders = 100

// ordered returns the cohort that was made of the order before, or nil and the
// identity that it will have.
func (l *Ledger) ordered(ctx context.Context, o *Order) (*Manifest, string, error) {
	for n := range maxOrders {
		id := orderID(o.Key, n)
		b, err := l.find(ctx, id)
		if missing(err) {
			return nil, id, nil
		}
		if err != nil {
			return nil, "", err
		}
		c, err := l.shelf.cancelled(ctx, id) // another server may have done it
		if err != nil {
			return nil, "", err
		}
		if c != nil {
			continue
		}
		l.mu.Lock()
		m := b.Manifest
		l.mu.Unlock()
		if m.Order == nil || *m.Order != *o {
			return nil, "", ErrOtherOrder
		}
		return &m, "", nil
	}
	return nil, "", ErrOtherOrder
}
