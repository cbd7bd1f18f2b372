package powertest

import (
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
)

// Kind is what an operation does.
type Kind string

// The operations that change a disk, or what of it outlives a cut.
const (
	Mkdir    Kind = "mkdir"
	Create   Kind = "create"
	Link     Kind = "link"
	Unlink   Kind = "unlink" // a folder, too
	Rename   Kind = "rename"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	SyncDir  Kind = "sync folder"
)

// Op is one operation.
type Op struct {
	Kind Kind
	Path string // where the file or folder stood then, below the disk; for people

	node uint64 // that is made, named, written or synced
	dir  uint64 // whose entries change
	name string
	to   uint64 // Rename: the folder of the new name
	new  string // Rename: that name
	at   int64  // Write: place; Truncate: size; bytes
	data []byte
}

func (o Op) String() string {
	switch o.Kind {
	case Write:
		return fmt.Sprintf("write %s, %d bytes at %d", o.Path, len(o.data), o.at)
	case Rename:
		return fmt.Sprintf("rename to %s", o.Path)
	}
	return fmt.Sprintf("%s %s", o.Kind, o.Path)
}

// ephemeral is what differs between two runs of the same work in a path.
var ephemeral = regexp.MustCompile(`[0-9a-f]{16,}|[A-Z2-7]{16,}|[0-9A-Za-z]{22}|[0-9]+`)

// Call names what an operation does and where, without numbers: one for all syncs that
// a place in the code makes, as long as no two places sync the same kind of path.
func (o Op) Call() string {
	return string(o.Kind) + " " + ephemeral.ReplaceAllString(o.Path, "*")
}

// Record is what was done to a disk.
type Record struct{ ops []Op }

// Len is the number of operations.
func (r Record) Len() int { return len(r.ops) }

// Op returns the operation after which the cut n comes.
func (r Record) Op(n int) Op {
	if n == 0 {
		return Op{Kind: "nothing"}
	}
	return r.ops[n-1]
}

// Syncs returns the calls (Op.Call) of all syncs, and how often each was made.
func (r Record) Syncs() map[string]int {
	calls := map[string]int{}
	for _, op := range r.ops {
		if op.Kind == Sync || op.Kind == SyncDir {
			calls[op.Call()]++
		}
	}
	return calls
}

// Calls returns the names of Syncs in order.
func (r Record) Calls() []string { return slices.Sorted(maps.Keys(r.Syncs())) }

// Cuts yields what the disk holds when the power goes after so many operations, from
// none to all. Syncs whose Call is without did nothing.
func (r Record) Cuts(rules Rules, loss Loss, without string) iter.Seq2[int, State] {
	return func(yield func(int, State) bool) {
		m := newMachine(rules)
		for n := 0; ; n++ {
			if !yield(n, m.state(loss, uint64(n))) || n == len(r.ops) {
				return
			}
			op := r.ops[n]
			m.apply(op, without != "" && op.Call() == without)
		}
	}
}

// Cut is one of Cuts.
func (r Record) Cut(n int, rules Rules, loss Loss, without string) State {
	m := newMachine(rules)
	for _, op := range r.ops[:n] {
		m.apply(op, without != "" && op.Call() == without)
	}
	return m.state(loss, uint64(n))
}

// Moments returns at most so many cuts, spread over the run: each stands right before
// a sync (then most is pending and most was acknowledged since the last one), the last
// is the end.
func (r Record) Moments(most int) []int {
	var all []int
	for i, op := range r.ops {
		if op.Kind == Sync || op.Kind == SyncDir {
			all = append(all, i)
		}
	}
	all = append(all, len(r.ops))
	if len(all) <= most {
		return all
	}
	some := make([]int, most)
	for i := range some {
		some[i] = all[(i+1)*len(all)/most-1]
	}
	return some
}
