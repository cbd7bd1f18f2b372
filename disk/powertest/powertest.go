// Package powertest pulls the plug: a disk for tests that keeps what was synced and
// nothing else.
//
// In: a program that writes to Disk.Dir as to any folder, embedded servers of others
// included, and says with Disk.Now when something was acknowledged. Out: for every
// moment of that run, what a disk could hold after a power cut (Record.Cuts), also
// with a kind of sync left out. It judges nothing.
//
//	record.go   what was done, in order; moments, kinds of syncs
//	machine.go  what was done to a disk, done again: what is synced, what is pending
//	loss.go     what becomes of what is pending
//	state.go    files after a cut, as a map or in a folder
//	mount.go    the file system in memory that records
//
// The disk is as hard as POSIX allows: a sync of a file keeps its bytes, a sync of a
// folder the names in it, and neither keeps the other (Strict). Kinder
// is what ext4, XFS and btrfs do beyond that.
package powertest

import (
	"sync"
	"testing"
)

// Disk is a file system in memory that records what is done to it. All methods are
// safe for concurrent use.
type Disk struct {
	dir string

	mu   sync.Mutex
	live *machine
	ops  []Op
}

// Mount returns an empty disk, which is gone when the test ends. Where none can be
// mounted (it takes Linux, root and /dev/fuse) the test is skipped.
func Mount(t testing.TB) *Disk {
	t.Helper()
	d := &Disk{dir: t.TempDir(), live: newMachine(Strict)}
	unmount, err := d.mount(d.dir)
	if err != nil {
		t.Skipf("no disk whose plug can be pulled: it takes Linux, root and /dev/fuse: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Dir is where the disk is mounted.
func (d *Disk) Dir() string { return d.dir }

// Now returns how many operations were done. What is acknowledged now must outlive
// every cut after as many or more.
func (d *Disk) Now() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ops)
}

// Record returns what was done so far.
func (d *Disk) Record() Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Record{d.ops[:len(d.ops):len(d.ops)]}
}

// do records an operation and does it. The caller holds mu.
func (d *Disk) do(op Op) {
	d.ops = append(d.ops, op)
	d.live.apply(op, false)
}
