//go:build e2e

package image

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"
)

// box is a container as strict laboratories run them, without an engine: the image's
// files, read only; /data and /tmp to write to; processes, mounts, names and a network of
// its own, with nothing but loopback; the image's user, no capabilities, no new
// privileges. What is not in the image is not there: the host's files are unmounted.
type box struct {
	Root   string // the image's files
	Data   string // /data, on the host
	Tmp    string
	Config v1.Config
	Args   []string
}

// boxed says to this test's own binary that it is to become what runs in the box.
const boxed = "BCC_E2E_BOX"

func TestMain(m *testing.M) {
	if text := os.Getenv(boxed); text != "" {
		var b box
		err := json.Unmarshal([]byte(text), &b)
		if err == nil {
			err = b.become()
		}
		fmt.Fprintln(os.Stderr, "box:", err)
		os.Exit(125)
	}
	os.Exit(m.Run())
}

// newBox makes one on unpacked files, with folders that its user may write to.
func newBox(t *testing.T, root string, c v1.Config) *box {
	t.Helper()
	b := &box{Root: root, Data: t.TempDir(), Tmp: t.TempDir(), Config: c}
	for _, dir := range []string{b.Data, b.Tmp} {
		if err := os.Chown(dir, user, user); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// command is the image's entry point with those arguments, or with its own.
func (b *box) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	to := *b
	to.Args = append(append(to.Args, b.Config.Entrypoint...), args...)
	if len(args) == 0 {
		to.Args = append(to.Args, b.Config.Cmd...)
	}
	text, err := json.Marshal(to)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = []string{boxed + "=" + string(text)}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd
}

// beside is one more process in a box that runs already, as docker exec starts it.
func (b *box) beside(t *testing.T, running *exec.Cmd, env []string, args ...string) *exec.Cmd {
	t.Helper()
	id := strconv.Itoa(user)
	cmd := exec.CommandContext(t.Context(), "nsenter", append([]string{"--target", strconv.Itoa(running.Process.Pid),
		"--mount", "--pid", "--net", "--ipc", "--uts", "--root", "--wd", "--setuid", id, "--setgid", id, "--"}, args...)...)
	cmd.Env = append(env, b.Config.Env...)
	return cmd
}

// become makes the box around this process, the first of its namespaces, and is the
// program from then on. It returns only when that fails.
func (b *box) become() error {
	runtime.LockOSThread() // privileges are a thread's
	at := func(path string) string { return filepath.Join(b.Root, path) }
	type mount struct {
		from, to, kind string
		flags          uintptr
		data           string
	}
	mounts := []mount{
		{"", "/", "", unix.MS_PRIVATE | unix.MS_REC, ""},
		{b.Root, b.Root, "", unix.MS_BIND, ""},
		{b.Data, at("data"), "", unix.MS_BIND, ""},
		{b.Tmp, at("tmp"), "", unix.MS_BIND, ""},
		{"proc", at("proc"), "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"tmpfs", at("dev"), "tmpfs", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=755"},
	}
	for _, m := range mounts {
		if err := unix.Mount(m.from, m.to, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.from, m.to, err)
		}
	}
	for name, number := range map[string]int{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		if err := unix.Mknod(at("dev/"+name), unix.S_IFCHR|0o666, int(unix.Mkdev(1, uint32(number)))); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
		if err := os.Chmod(at("dev/"+name), 0o666); err != nil {
			return err
		}
	}
	if err := unix.Mount("", b.Root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", b.Root, err)
	}
	// The new root goes on top of the old one, which is then taken away from under it.
	if err := os.Chdir(b.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("take the host's files away: %w", err)
	}
	if err := os.Chdir(b.Config.WorkingDir); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return b.exec()
}

// loopbackUp brings up the one interface that a new network has.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}

// exec drops what root may do and runs the program.
func (b *box) exec() error {
	for c := uintptr(0); unix.Prctl(unix.PR_CAPBSET_READ, c, 0, 0, 0) == nil; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(user); err != nil {
		return err
	}
	if err := syscall.Setuid(user); err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", b.Args[0], syscall.Exec(b.Args[0], b.Args, b.Config.Env))
}
