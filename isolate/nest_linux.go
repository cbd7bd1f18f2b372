package isolate

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// nest starts children on a thread of its own: the kernel ends them when the thread
// that started them ends, and threads of Go may end at any time.
type nest struct {
	orders chan func() *exec.Cmd
	born   chan birth
	alone  bool // children get a network of their own, in which there is nothing
}

type birth struct {
	cmd *exec.Cmd
	err error
}

func newNest() *nest {
	n := &nest{orders: make(chan func() *exec.Cmd), born: make(chan birth), alone: os.Geteuid() == 0}
	go n.run()
	return n
}

// run ends, and its thread with it, when orders is closed.
func (n *nest) run() {
	runtime.LockOSThread()
	for command := range n.orders {
		n.born <- n.begin(command)
	}
}

// begin starts one child. Where it may have no network of its own, the filter of
// system calls alone keeps it from the one there is.
func (n *nest) begin(command func() *exec.Cmd) birth {
	cmd := command()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true, // Ctrl-C is for this process; children end with it
	}
	if n.alone {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	}
	err := cmd.Start()
	if err != nil && n.alone {
		n.alone = false
		return n.begin(command)
	}
	return birth{cmd, err}
}

// start starts a command. Several goroutines may call it.
func (n *nest) start(command func() *exec.Cmd) (*exec.Cmd, error) {
	n.orders <- command
	b := <-n.born
	return b.cmd, b.err
}

// close ends the thread. Children that still run end with it.
func (n *nest) close() { close(n.orders) }
