package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"bcc/fault"
)

// received is a file out of a request: small ones lie in memory, others in the
// incoming folder. drop gives both back.
type received struct {
	s      *Server
	name   string
	kind   string // tiff, png or jpeg
	bytes  int64
	sha256 string
	buf    *bytes.Buffer // small
	held   int64         // of the memory budget
	path   string        // large
}

// receiveBuffers hold pictures while they are looked at.
var receiveBuffers = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, receiveStep)) }}

const (
	receiveStep = 64 << 10 // bytes; a patch as JPEG has a third of it
	keptPicture = 1 << 20  // larger buffers are let go
	reserveStep = 16 << 20 // bytes written between two looks at the free disk
	incomingExt = ".incoming"
)

// receive reads a file up to its end. Up to small bytes stay in memory, more goes
// to the disk while its digest is taken. After an error nothing is left of it.
func (s *Server) receive(name string, r io.Reader, small int64) (_ *received, err error) {
	f := &received{s: s, name: name}
	defer func() {
		if err != nil {
			f.drop()
		}
	}()
	head := make([]byte, sniffLen)
	n, err := fill(r, head)
	if err != nil && err != io.EOF {
		return nil, bodyError(err)
	}
	if n == 0 {
		return nil, fault.New(fault.Corrupt, "the file is empty")
	}
	if f.kind = sniff(head[:n]); f.kind == "" {
		return nil, errFormat
	}
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	if small > 0 {
		whole, err := f.intoMemory(r, small)
		if err != nil || whole {
			return f, err
		}
		r = io.MultiReader(bytes.NewReader(f.buf.Bytes()), afterwards(f.forget), r)
	}
	if err := f.ontoDisk(r); err != nil {
		return nil, err
	}
	if f.bytes <= small {
		return f, f.backIntoMemory()
	}
	return f, nil
}

// hurried is the file of a client who has memory of ours: one that takes too long ends
// with errSlow, so that its rest is waited for on the disk. Else a few clients that
// send a byte now and then would hold the memory of all.
type hurried struct {
	io.Reader
	until time.Time
}

func (h hurried) Read(p []byte) (int, error) {
	if time.Now().After(h.until) {
		return 0, errSlow
	}
	return h.Reader.Read(p)
}

var errSlow = errors.New("a picture that comes slowly")

// afterwards is a reader of nothing that calls the function when it is read: what lies
// before it in a row of readers is through then.
type afterwards func()

func (f afterwards) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// backIntoMemory reads a small picture that came slowly and is whole now.
func (f *received) backIntoMemory() error {
	if !f.s.memory.take(f.bytes) {
		return later(0, "", "too many pictures at once")
	}
	f.held = f.bytes
	data, err := os.ReadFile(f.path)
	if err != nil {
		return diskError(err)
	}
	_ = os.Remove(f.path)
	f.buf, f.path = bytes.NewBuffer(data), ""
	return nil
}

// intoMemory reads until the file ends, is not small any more, or takes too long.
func (f *received) intoMemory(r io.Reader, small int64) (whole bool, err error) {
	r = hurried{r, time.Now().Add(f.s.cfg.Patience)}
	f.buf = receiveBuffers.Get().(*bytes.Buffer)
	for room := int64(receiveStep); int64(f.buf.Len()) <= small; room *= 2 {
		// The first step is free, so that those who send large pictures slowly cannot
		// take the room of patches; the number of requests bounds it.
		if room > receiveStep {
			if !f.s.memory.take(room / 2) {
				f.s.metrics.refused.WithLabelValues("memory").Inc()
				return false, later(0, "", "too many pictures at once")
			}
			f.held += room / 2
		}
		if _, err := f.buf.ReadFrom(io.LimitReader(r, room-int64(f.buf.Len()))); err == errSlow {
			return false, nil
		} else if err != nil {
			return false, bodyError(err)
		}
		if int64(f.buf.Len()) < room {
			sum := sha256.Sum256(f.buf.Bytes())
			f.bytes, f.sha256 = int64(f.buf.Len()), hex.EncodeToString(sum[:])
			return int64(f.buf.Len()) <= small, nil
		}
	}
	return false, nil
}

// ontoDisk writes the file into the incoming folder.
func (f *received) ontoDisk(r io.Reader) error {
	out, err := os.CreateTemp(f.s.cfg.Incoming, "*"+incomingExt)
	if err != nil {
		return diskError(err)
	}
	f.path, f.bytes = out.Name(), 0
	sum := sha256.New()
	err = f.copy(out, sum, r)
	if closed := out.Close(); err == nil && closed != nil {
		err = diskError(closed)
	}
	f.sha256 = hex.EncodeToString(sum.Sum(nil))
	return err
}

func (f *received) copy(out io.Writer, sum hash.Hash, r io.Reader) error {
	buf := make([]byte, 256<<10)
	for next := int64(0); ; {
		if f.bytes >= next {
			if err := f.s.roomOnDisk(0); err != nil {
				return err
			}
			next = f.bytes + reserveStep
		}
		n, end := fill(r, buf)
		if f.bytes += int64(n); f.bytes > f.s.cfg.MaxUpload {
			return tooLarge(f.s.cfg.MaxUpload)
		}
		sum.Write(buf[:n])
		if _, err := out.Write(buf[:n]); err != nil {
			return diskError(err)
		}
		if end == io.EOF {
			return nil
		}
		if end != nil {
			return bodyError(end)
		}
	}
}

// fill reads until buf is full or r ends. Unlike io.ReadFull it keeps a file that
// ends (io.EOF) apart from a connection that breaks off (io.ErrUnexpectedEOF).
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// drop forgets the file.
func (f *received) drop() {
	f.forget()
	if f.path != "" {
		_ = os.Remove(f.path) // taken over by the store, or cleared at the next start
	}
}

// forget gives the memory back.
func (f *received) forget() {
	if f.buf != nil && f.buf.Cap() <= keptPicture {
		f.buf.Reset()
		receiveBuffers.Put(f.buf)
	}
	f.buf = nil
	f.s.memory.give(f.held)
	f.held = 0
}

// data is a small file's content, until drop.
func (f *received) data() []byte { return f.buf.Bytes() }

// toDisk writes a small file into the incoming folder, for the store.
func (f *received) toDisk() error {
	if f.path != "" {
		return nil
	}
	if err := f.ontoDisk(bytes.NewReader(f.buf.Bytes())); err != nil {
		return err
	}
	f.forget()
	return nil
}

// roomOnDisk reports whether bytes more fit onto the disk without its reserve.
func (s *Server) roomOnDisk(bytes int64) error {
	if s.cfg.Machine == nil {
		return nil
	}
	m := s.cfg.Machine()
	if m.DiskTotal > 0 && int64(m.DiskFree)-bytes < s.cfg.ReserveDisk {
		s.metrics.refused.WithLabelValues("disk").Inc()
		return errDisk
	}
	return nil
}

var errDisk = refuse(http.StatusServiceUnavailable, "ask whoever runs this server to make room", "the server's disk is full")

func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errDisk
	}
	return fault.New(fault.Unavailable, "write an upload: %w", err)
}

// clearIncoming makes the folder, without what an earlier server left in it.
func clearIncoming(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.New(fault.Unavailable, "make the folder for uploads: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fault.New(fault.Unavailable, "read the folder for uploads: %w", err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), incomingExt) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fault.New(fault.Unavailable, "clear the folder for uploads: %w", err)
			}
		}
	}
	return nil
}
