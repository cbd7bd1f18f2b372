package isolate

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"bcc/fault"
)

// window is memory that both processes see. Neither can make it smaller: what this
// process reads is always there.
type window struct {
	num uint32
	mem []byte

	mu     sync.Mutex
	users  int  // the operation, and each patch that somebody holds
	single bool // nobody wants it when the last user goes
	backup runtime.Cleanup
}

// newWindow makes a window, and the file that the child is to map.
func newWindow(num uint32, bytes int) (*window, *os.File, error) {
	fd, err := unix.MemfdCreate("pixels", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil, fault.New(fault.Unavailable, "make shared memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "pixels")
	if err := unix.Ftruncate(fd, int64(bytes)); err != nil {
		file.Close()
		return nil, nil, fault.New(fault.Unavailable, "make shared memory of %d bytes: %w", bytes, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		file.Close()
		return nil, nil, fault.New(fault.Unavailable, "seal shared memory: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, bytes, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		file.Close()
		return nil, nil, fault.New(fault.Unavailable, "map shared memory of %d bytes: %w", bytes, err)
	}
	w := &window{num: num, mem: mem, users: 1}
	// A patch that nobody ever releases keeps its window from being unmapped by leave.
	w.backup = runtime.AddCleanup(w, unmap, mem)
	return w, file, nil
}

func unmap(mem []byte) { _ = unix.Munmap(mem) }

// enter counts a user. It reports false where the window is gone.
func (w *window) enter() {
	w.mu.Lock()
	w.users++
	w.mu.Unlock()
}

// leave takes a user away; the last one unmaps it where nobody will want it again.
// It reports whether the window is free for another operation.
func (w *window) leave() (free bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.users--
	if w.users > 0 {
		return false
	}
	if w.single {
		w.drop()
		return false
	}
	return true
}

// retire unmaps the window, now or when its last user leaves.
func (w *window) retire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.single = true
	if w.users == 0 {
		w.drop()
	}
}

func (w *window) drop() {
	if w.mem != nil {
		w.backup.Stop()
		unmap(w.mem)
		w.mem = nil
	}
}
