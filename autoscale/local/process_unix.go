//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package local

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/shirou/gopsutil/v4/process"
)

func supported() error { return nil }

// spawn starts a process that is no part of our group: a Ctrl-C for us is none for it.
func spawn(argv, env []string, log *os.File) (pid int, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{Env: env, Files: []*os.File{null, log, log}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return 0, err
	}
	pid = p.Pid
	return pid, p.Release() // reap asks for it by number
}

// terminate asks a process to end. That it is gone is no error.
func terminate(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// reap waits for a child of ours that has ended, and says in words how it did. Those
// of an earlier autoscaler are init's.
func reap(pid int) (how string, ended bool) {
	var s syscall.WaitStatus
	got, err := syscall.Wait4(pid, &s, syscall.WNOHANG, nil)
	switch {
	case got == pid && s.Signaled():
		return fmt.Sprintf("it was ended by the signal %v", s.Signal()), true
	case got == pid:
		return fmt.Sprintf("it ended with exit code %d", s.ExitStatus()), true
	}
	return "", errors.Is(err, syscall.ECHILD)
}

// byID finds the process that was started with --id ID; 0: there is none.
func byID(id string) int {
	all, err := process.Processes()
	if err != nil {
		return 0
	}
	for _, p := range all {
		args, err := p.CmdlineSlice()
		if i := slices.Index(args, "--id"); err == nil && i >= 0 && i+1 < len(args) && args[i+1] == id {
			return int(p.Pid)
		}
	}
	return 0
}
