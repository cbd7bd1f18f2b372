package isolate

import (
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"bcc/fault"
)

// stackBytes is what a thread's stack counts against the memory that a process may
// have, used or not.
const stackBytes = 8 << 20

// maxStack bounds a goroutine's stack, in bytes: what calls itself so deep never ends.
const maxStack = 64 << 20

// confine binds this process, before it has seen a byte of a slide. It returns in
// words what the system does not know; a limit that it knows and refuses is an error.
func confine(h hello) (lacks []string, err error) {
	debug.SetMemoryLimit(h.Memory * 3 / 4) // Go collects before it is refused memory
	debug.SetMaxStack(maxStack)
	stacks := int64(runtime.GOMAXPROCS(0)+16) * stackBytes
	for _, l := range []struct {
		name  string
		what  int
		value int64
	}{
		{"memory", unix.RLIMIT_DATA, h.Memory + stacks},
		{"processor time", unix.RLIMIT_CPU, h.CPU}, // the parent watches each slide's; this holds where it cannot
		{"size of files", unix.RLIMIT_FSIZE, 0},
		{"open files", unix.RLIMIT_NOFILE, 64},
		{"core dumps", unix.RLIMIT_CORE, 0},
	} {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: uint64(l.value), Max: uint64(l.value)}); err != nil {
			return nil, fault.New(fault.Unavailable, "limit %s to %d: %w", l.name, l.value, err)
		}
	}
	if err := filter(); err != nil {
		lacks = append(lacks, "decoders may call the system as they like: "+err.Error())
	}
	return lacks, nil
}
