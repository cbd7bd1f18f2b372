//go:build e2e

package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// kind is a way in which things go wrong.
type kind string

const (
	killWorker kind = "kill a worker"      // SIGKILL; started again after a while
	stopWorker kind = "stop a worker"      // SIGTERM: it drains; started again after a while
	killNode   kind = "kill a node"        // SIGKILL of a server of the queue
	killServer kind = "kill the server"    // SIGKILL of bcc serve
	cutNetwork kind = "cut off a worker"   // everything that it sends and is sent is dropped
	fillDisk   kind = "fill a disk"        // of a worker's scratch folder
	slowStore  kind = "slow the store"     // answers take up to two seconds
	failStore  kind = "let the store fail" // 500s, 503s, answers that break off, answers that are lost
	stopStore  kind = "stop the store"     // nobody answers
	freeze     kind = "freeze a worker"    // SIGSTOP, then SIGCONT
)

var kinds = []kind{killWorker, stopWorker, killNode, killServer, cutNetwork, fillDisk, slowStore, failStore, stopStore, freeze}

// fault is one of them.
type fault struct {
	kind   kind
	target int           // number of the worker or node, where there are several
	pause  time.Duration // before it
	lasts  time.Duration
}

func (f fault) String() string {
	return fmt.Sprintf("%s (%d) for %v", f.kind, f.target, f.lasts)
}

// lease is how long a job stays with a worker that is silent.
const lease = 30 * time.Second

// plan returns the faults of a run: each kind once, in any order but that those which
// last longer than a lease come early, and then what the dice say, a worker's death most
// often.
func plan(seed uint64, s scenario) []fault {
	dice := rand.New(rand.NewPCG(seed, 1))
	var all []fault
	add := func(k kind) {
		target := s.workers
		if k == killNode {
			target = s.nodes
		}
		f := fault{k, dice.IntN(target), spread(dice, s.pause), spread(dice, s.lasts)}
		if k == cutNetwork || k == freeze {
			f.lasts += lease // so that others have its slides when it comes back
		}
		all = append(all, f)
	}
	first := slices.Clone(kinds)
	dice.Shuffle(len(first), func(i, k int) { first[i], first[k] = first[k], first[i] })
	for at, long := range []kind{freeze, cutNetwork} {
		i := slices.Index(first, long)
		first[i], first[1+at] = first[1+at], first[i]
	}
	for _, k := range first {
		add(k)
	}
	often := []kind{killWorker, killWorker, killWorker, killNode, killServer, failStore, stopWorker}
	for long := 2; len(all) < s.faults; {
		k := killWorker
		if n := dice.IntN(len(often) + len(kinds)); n < len(often) {
			k = often[n]
		} else {
			k = kinds[n-len(often)]
		}
		if k == cutNetwork || k == freeze {
			if long++; long > s.long {
				k = killWorker
			}
		}
		add(k)
	}
	return all
}

// spread returns a time around mean: from a tenth to three times as long.
func spread(dice *rand.Rand, mean time.Duration) time.Duration {
	d := time.Duration(dice.ExpFloat64() * float64(mean))
	return min(max(d, mean/10), 3*mean).Round(time.Millisecond)
}

func TestPlansFollowFromTheirSeed(t *testing.T) {
	s := scenario{workers: 6, nodes: 3, faults: 30, pause: time.Second, lasts: time.Second}
	a, b, other := plan(7, s), plan(7, s), plan(8, s)
	seen, same := map[kind]bool{}, true
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("fault %d is %v and %v with one seed", i, a[i], b[i])
		}
		same = same && a[i] == other[i]
		if i < len(kinds) {
			seen[a[i].kind] = true
		}
	}
	if len(a) != 30 || same || len(seen) != len(kinds) {
		t.Errorf("%d faults, %d kinds among the first %d; the same with another seed: %v", len(a), len(seen), len(kinds), same)
	}
}
