package isolate

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"bcc/fault"
)

// Causes of a child's end, as metrics name them.
const (
	causeReleased  = "released"  // it had done its part
	causeCancelled = "cancelled" // nobody waits for what it does
	causeSilence   = "silence"   // longer than Config.Patience
	causeTime      = "time"      // of the processor
	causeMemory    = "memory"
	causeForbidden = "forbidden" // a system call that decoders do not need
	causeSignal    = "signal"    // a crash
	causePanic     = "panic"
	causeExit      = "exit"    // by itself, in silence
	causeLie       = "lie"     // it broke the protocol
	causeOutside   = "outside" // somebody else ended it
)

// end is how a child ended.
type end struct {
	cause string
	why   string // in words, after "the decoder"
}

// err returns the error of a slide whose child ended so.
func (e end) err() error {
	switch e.cause {
	case causeReleased:
		return fault.New(fault.Unavailable, "the decoders are being closed")
	case causeCancelled:
		return fault.New(fault.Invalid, "the slide is closed")
	case causeOutside: // maybe not this slide's doing: worth another attempt
		return fault.New(fault.Unavailable, "%w: %s", ErrKilled, e.why)
	}
	return fault.Hint(fault.New(fault.Corrupt, "%w: %s", ErrKilled, e.why),
		"the file may be damaged or made to do harm; other slides are not touched by it")
}

// endOf reads from the state of a process and its last words how it ended.
func endOf(state *os.ProcessState, words string, memory int64) end {
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		switch sig := status.Signal(); sig {
		case unix.SIGSYS:
			return end{causeForbidden, "it asked the system for something that no decoder needs"}
		case unix.SIGXCPU:
			return end{causeTime, "it used more processor time than it may"}
		case unix.SIGKILL:
			return end{causeOutside, "something else ended it, as systems do that run out of memory"}
		default:
			return end{causeSignal, "it was ended by " + unix.SignalName(sig)}
		}
	}
	return endOfWords(words, state.ExitCode(), memory)
}

// endOfWords reads the last words of Go's runtime, which handles most signals itself.
func endOfWords(words string, code int, memory int64) end {
	first, _, _ := strings.Cut(strings.TrimSpace(words), "\n")
	has := func(s string) bool { return strings.Contains(words, s) }
	switch {
	case has("stack overflow"), has("stack exceeds"):
		return end{causePanic, "it broke down: stack overflow"}
	case has("out of memory"), has("cannot allocate memory"), has("pthread_create failed"):
		return end{causeMemory, fmt.Sprintf("it wanted more than %s of memory", gib(memory))}
	case strings.Contains("\n"+words, "\nSIG"): // in native code, which may have said something before
		_, rest, _ := strings.Cut("\n"+words, "\nSIG")
		name, _, _ := strings.Cut(rest, ":")
		return end{causeSignal, "it was ended by SIG" + name}
	case has("[signal SIG"): // in ours
		_, rest, _ := strings.Cut(words, "[signal ")
		name, _, _ := strings.Cut(rest, ":")
		return end{causeSignal, "it was ended by " + name}
	case strings.HasPrefix(first, "fatal error: "):
		return end{causePanic, "it broke down: " + strings.TrimPrefix(first, "fatal error: ")}
	case strings.HasPrefix(first, "panic: runtime error: "): // other panics might quote the slide
		return end{causePanic, "it panicked: " + strings.TrimPrefix(first, "panic: ")}
	case has("panic: "):
		return end{causePanic, "it panicked"}
	}
	return end{causeExit, fmt.Sprintf("it ended by itself with code %d", code)}
}

func gib(bytes int64) string { return fmt.Sprintf("%.3g GiB", float64(bytes)/(1<<30)) }
