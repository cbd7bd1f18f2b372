package isolate

import (
	"os"
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
	sacrifice()
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

// sacrifice has the kernel end this process before others of its container, where the
// container's memory is all gone: a slide is tried again, a worker's slides all are.
func sacrifice() {
	const first = "1000"                                               // proc(5), oom_score_adj; raising one's own takes no right
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte(first), 0o600) // without /proc it is as likely as others
}
