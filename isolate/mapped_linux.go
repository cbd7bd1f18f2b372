package isolate

import (
	"errors"

	"golang.org/x/sys/unix"

	"bcc/fault"
)

// mapped is a window, seen from the child.
type mapped struct {
	mem   []byte
	users int
	gone  bool // the parent gave it up
}

// mapWindow maps the memory that came with a toWindow.
func (d *decoder) mapWindow(num uint32, body []byte) error {
	file := d.conn.take()
	if file == nil || len(body) != 8 {
		return errors.New("shared memory did not come")
	}
	defer file.Close()
	mem, err := unix.Mmap(int(file.Fd()), 0, int(order.Uint64(body)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.windows[num] = &mapped{mem: mem}
	d.mu.Unlock()
	return nil
}

// enter returns the window for an operation that writes into it.
func (d *decoder) enter(num uint32) (*mapped, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.windows[num]
	if w == nil {
		return nil, fault.New(fault.Internal, "there is no window %d", num)
	}
	w.users++
	return w, nil
}

// leave ends the operation's use.
func (d *decoder) leave(w *mapped) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.users--
	w.unmap()
}

// dropWindow gives the window up, when nobody writes into it any more. d.mu is held.
func (d *decoder) dropWindow(num uint32) {
	if w := d.windows[num]; w != nil {
		delete(d.windows, num)
		w.gone = true
		w.unmap()
	}
}

func (w *mapped) unmap() {
	if w.gone && w.users == 0 {
		_ = unix.Munmap(w.mem)
	}
}
