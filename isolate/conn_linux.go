package isolate

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"bcc/fault"
)

// frame is one message.
type frame struct {
	kind byte
	num  uint32
	body []byte // until the next frame is received
}

// conn sends and receives frames over a socket. One goroutine receives; any send.
type conn struct {
	file *os.File
	raw  syscall.RawConn
	most int // bytes of a frame that are believed

	sending sync.Mutex
	out     []byte

	buf   []byte // received; buf[at:] is not taken yet
	at    int
	oob   []byte
	files []*os.File // received, not taken yet, in order
}

func newConn(file *os.File, most int) (*conn, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &conn{file: file, raw: raw, most: most, oob: make([]byte, unix.CmsgSpace(4*4))}, nil
}

// socketPair returns two ends, this process's and the child's.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "decoder"), os.NewFile(uintptr(fds[1]), "parent"), nil
}

// send sends one frame, with the file where that is not nil.
func (c *conn) send(kind byte, num uint32, file *os.File, body ...[]byte) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	n := frameHead - 4
	for _, b := range body {
		n += len(b)
	}
	c.out = order.AppendUint32(c.out[:0], uint32(n))
	c.out = append(c.out, kind)
	c.out = order.AppendUint32(c.out, num)
	rest := body
	for len(rest) > 0 && len(c.out)+len(rest[0]) <= 64<<10 { // large ones are not copied
		c.out = append(c.out, rest[0]...)
		rest = rest[1:]
	}
	var err error
	if file != nil {
		err = c.sendWith(c.out, file)
	} else {
		_, err = c.file.Write(c.out)
	}
	for _, b := range rest {
		if err == nil {
			_, err = c.file.Write(b)
		}
	}
	return err
}

// sendWith sends b, with the file beside its first byte.
func (c *conn) sendWith(b []byte, file *os.File) error {
	other, err := file.SyscallConn()
	if err != nil {
		return err
	}
	sent := 0
	var wrong error
	err = other.Control(func(fd uintptr) {
		rights := unix.UnixRights(int(fd))
		wrong = c.raw.Write(func(sock uintptr) bool {
			sent, err = unix.SendmsgN(int(sock), b, rights, nil, unix.MSG_NOSIGNAL)
			return err != unix.EAGAIN
		})
		wrong = errors.Join(wrong, err)
	})
	if err = errors.Join(err, wrong); err != nil {
		return err
	}
	_, err = c.file.Write(b[sent:])
	return err
}

// receive returns the next frame. io.EOF: the other end is closed.
func (c *conn) receive() (frame, error) {
	if err := c.fill(4); err != nil {
		return frame{}, err
	}
	n := int64(order.Uint32(c.buf[c.at:]))
	if n < frameHead-4 || n > int64(c.most) {
		return frame{}, fault.New(fault.Corrupt, "a message of %d bytes", n)
	}
	if err := c.fill(4 + int(n)); err != nil {
		return frame{}, noEOF(err)
	}
	b := c.buf[c.at : c.at+4+int(n)]
	c.at += len(b)
	return frame{kind: b[4], num: order.Uint32(b[5:]), body: b[frameHead:]}, nil
}

// take returns the file that came with the last frame, nil where none did. It is
// the caller's.
func (c *conn) take() *os.File {
	if len(c.files) == 0 {
		return nil
	}
	f := c.files[0]
	c.files = c.files[1:]
	return f
}

// firstBuffer holds many small frames; what large ones needed is given back.
const firstBuffer = 64 << 10

// fill reads until n bytes are there.
func (c *conn) fill(n int) error {
	have := len(c.buf) - c.at
	if have >= n {
		return nil
	}
	if c.at+n > cap(c.buf) || have == 0 && cap(c.buf) > 4*firstBuffer {
		larger := make([]byte, have, max(n, firstBuffer))
		copy(larger, c.buf[c.at:])
		c.buf, c.at = larger, 0
	} else if have == 0 {
		c.buf, c.at = c.buf[:0], 0
	}
	for len(c.buf)-c.at < n {
		if err := c.more(); err != nil {
			return err
		}
	}
	return nil
}

// more reads what is there, at least a byte, behind what is in the buffer.
func (c *conn) more() error {
	var n, oobn int
	var err error
	wrong := c.raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, err = unix.Recvmsg(int(fd), c.buf[len(c.buf):cap(c.buf)], c.oob, unix.MSG_CMSG_CLOEXEC)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if err := errors.Join(wrong, err); err != nil {
		return err
	}
	if oobn > 0 {
		if err := c.keep(c.oob[:oobn]); err != nil {
			return err
		}
	}
	if n == 0 {
		return io.EOF
	}
	c.buf = c.buf[:len(c.buf)+n]
	return nil
}

// keep keeps the files that came.
func (c *conn) keep(oob []byte) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return err
		}
		for _, fd := range fds {
			c.files = append(c.files, os.NewFile(uintptr(fd), "slide"))
		}
	}
	return nil
}

func (c *conn) close() {
	c.file.Close()
	for _, f := range c.files {
		f.Close()
	}
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
