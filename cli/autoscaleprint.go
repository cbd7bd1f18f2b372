package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"bcc/autoscale"
)

// printTarget says how many workers of each kind are wanted, for whoever moves them: a
// line each time the number changes, and nothing else.
type printTarget struct {
	out   io.Writer
	json  bool
	kinds []autoscale.Kind

	mu   sync.Mutex
	said map[string]int
}

var _ autoscale.Target = (*printTarget)(nil)

func newPrintTarget(out io.Writer, asJSON bool, kinds []autoscale.Kind) *printTarget {
	return &printTarget{out: out, json: asJSON, kinds: kinds, said: map[string]int{}}
}

// Groups returns the kinds, as if what was printed had been done: those that the fleet
// does not know of are on their way.
func (t *printTarget) Groups(context.Context) ([]autoscale.Group, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var groups []autoscale.Group
	for _, k := range t.kinds {
		groups = append(groups, autoscale.Group{Kind: k, Ready: t.said[k.Name]})
	}
	return groups, nil
}

// Scale prints the number where it is another than before: alone where there is one
// kind, else after the kind.
func (t *printTarget) Scale(_ context.Context, kind string, n int, _ []string) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if was, ok := t.said[kind]; ok && was == n {
		return n, nil
	}
	var err error
	switch {
	case t.json:
		err = json.NewEncoder(t.out).Encode(struct {
			Kind   string `json:"kind"`
			Wanted int    `json:"wanted"`
		}{kind, n})
	case len(t.kinds) > 1:
		_, err = fmt.Fprintln(t.out, kind, n)
	default:
		_, err = fmt.Fprintln(t.out, n)
	}
	if err != nil {
		return n, unwritten(err)
	}
	t.said[kind] = n
	return n, nil
}
