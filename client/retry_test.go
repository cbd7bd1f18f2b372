package client

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bcc/fault"
)

// waited returns how long a client waits between tries that fail in these ways, and how
// it ends.
func waited(t *testing.T, c *Client, tries ...error) (out []time.Duration, err error) {
	last := time.Now()
	n := 0
	err = c.again(t.Context(), func() error {
		if n > 0 {
			out = append(out, time.Since(last))
		}
		last = time.Now()
		if n++; n > len(tries) {
			return nil
		}
		return tries[n-1]
	})
	return out, err
}

func newAt(t *testing.T) *Client {
	t.Helper()
	c, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWaitsGrowAndDiffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newAt(t)
		gone := &away{err: errors.New("gone")}
		most := make([]time.Duration, 5)
		var first []time.Duration
		for range 200 {
			got, err := waited(t, c, gone, gone, gone, gone, gone)
			if err != nil || len(got) != 5 {
				t.Fatalf("%v, %v", got, err)
			}
			first = append(first, got[0])
			for i, bound := range []time.Duration{1, 2, 4, 8, 10} { // seconds
				if got[i] < leastWait || got[i] > leastWait+bound*time.Second {
					t.Fatalf("wait %d takes %v, want up to %d s", i+1, got[i], bound)
				}
				most[i] = max(most[i], got[i])
			}
		}
		slices.Sort(first)
		if len(slices.Compact(first)) < 190 {
			t.Error("clients of a server that was away come back in one moment")
		}
		if !slices.IsSorted(most[:4]) || most[3] < 5*time.Second {
			t.Errorf("the longest waits %v do not grow", most)
		}
	})
}

func TestRetryAfterIsTheLeast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newAt(t)
		for _, x := range []struct{ after, most time.Duration }{
			{2 * time.Second, 3 * time.Second}, {time.Minute, 75 * time.Second}, {48 * time.Hour, 75 * time.Minute}, // nobody is believed for two days
		} {
			least := min(x.after, mostAfter)
			low, high := time.Duration(1<<62), time.Duration(0)
			for range 100 {
				got, err := waited(t, c, &away{err: fault.New(fault.Busy, "full"), busy: true, after: x.after})
				if err != nil || got[0] < least || got[0] > x.most {
					t.Fatalf("told %v it waits %v, %v", x.after, got, err)
				}
				low, high = min(low, got[0]), max(high, got[0])
			}
			if high-low < (x.most-least)/2 {
				t.Errorf("told %v all wait from %v to %v", x.after, low, high)
			}
		}
	})
}

func TestPatienceIsKeptToTheSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newAt(t)
		begun := time.Now()
		err := c.again(t.Context(), func() error { return &away{err: errors.New("gone")} })
		if took := time.Since(begun); fault.Of(err) != fault.Unavailable || took != c.cfg.Patience {
			t.Errorf("after %v: %v", took, err)
		}
		// Of one that says to come after the end of all patience nothing is waited for.
		begun = time.Now()
		c.cfg.Busy = time.Minute
		err = c.again(t.Context(), func() error { return &away{err: errors.New("full"), busy: true, after: 2 * time.Minute} })
		if took := time.Since(begun); fault.Of(err) != fault.Busy || took != 0 {
			t.Errorf("after %v: %v", took, err)
		}
		ctx, stop := context.WithTimeoutCause(t.Context(), 90*time.Second, errors.New("enough"))
		defer stop()
		begun = time.Now()
		err = c.again(ctx, func() error { return &away{err: errors.New("gone")} })
		if took := time.Since(begun); err == nil || err.Error() != "enough" || took != 90*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}
