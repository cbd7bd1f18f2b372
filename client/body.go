package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"sync"

	"bcc/fault"
)

// body is what is read from somebody's reader, perhaps more than once, and its digest.
type body struct {
	// turn is held by whoever reads: a request that broke off may still be reading when
	// the next one begins.
	turn chan struct{}

	r     io.Reader
	seek  io.Seeker // nil: it can be read once
	start int64     // where it stood
	bytes int64     // that are to come; -1: nobody knows

	of   *reading // the latest request
	hash hash.Hash
	read int64
	err  error // of r itself: the server has no part in it
}

func newBody(r io.Reader, bytes int64) (*body, error) {
	b := &body{turn: make(chan struct{}, 1), r: r, bytes: bytes, hash: sha256.New()}
	if s, ok := r.(io.Seeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil { // a pipe says here that it cannot
			b.seek, b.start = s, at
		}
	}
	if bytes == 0 {
		return nil, ofFile(fault.Corrupt, errors.New("it is empty"))
	}
	return b, nil
}

// open begins from the start.
func (b *body) open(ctx context.Context) (io.ReadCloser, error) {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-b.turn }()
	if b.read > 0 {
		if _, err := b.seek.Seek(b.start, io.SeekStart); err != nil { // after let nothing else come here
			return nil, ofFile(fault.Unavailable, err)
		}
	}
	b.hash.Reset()
	b.read, b.of = 0, &reading{b: b, closed: make(chan struct{})}
	return b.of, nil
}

// after is what a request that failed means: the reader's own trouble, the end where it
// cannot be read again, or e.
func (b *body) after(e *away, c *Client) error {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	default: // a Read hangs: something was to be had of it, or would be
		if b.seek != nil {
			return e
		}
		return c.spent(e)
	}
	switch {
	case b.err != nil:
		return b.err
	case b.read > 0 && b.seek == nil:
		return c.spent(e)
	}
	return e
}

// spent says that what broke off cannot be sent again.
func (c *Client) spent(e *away) error {
	kind := fault.Unavailable
	if e.busy {
		kind = fault.Busy
	}
	return fault.Hint(fault.New(kind, "the server at %s %s, and what was being sent cannot be read again", c.base.Host, c.why(e)), "open it anew and send it again, or send what can be sought (io.Seeker)")
}

// sum is the digest of what was read. Nobody reads any more.
func (b *body) sum() string {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	return hex.EncodeToString(b.hash.Sum(nil))
}

// reading is the body of one request.
type reading struct {
	b      *body
	closed chan struct{}
	close  sync.Once
	buf    []byte
}

// Read reads on the side, so that a request can end while the reader hangs.
func (r *reading) Read(p []byte) (int, error) {
	b := r.b
	select {
	case b.turn <- struct{}{}:
	case <-r.closed:
		return 0, io.ErrClosedPipe
	}
	if b.of != r {
		<-b.turn
		return 0, io.ErrClosedPipe
	}
	if r.buf == nil {
		r.buf = make([]byte, 64<<10)
	}
	type result struct {
		n   int
		err error
	}
	got := make(chan result, 1)
	go func() {
		n, err := b.take(r.buf[:min(len(p), len(r.buf))])
		got <- result{n, err}
		<-b.turn
	}()
	select {
	case x := <-got:
		return copy(p, r.buf[:x.n]), x.err
	case <-r.closed: // buf is left to the side
		return 0, io.ErrClosedPipe
	}
}

// Close ends a Read. The reader is left to whoever gave it.
func (r *reading) Close() error {
	r.close.Do(func() { close(r.closed) })
	return nil
}

// take reads and takes account of it. Whoever calls holds the turn.
func (b *body) take(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.hash.Write(p[:n])
	b.read += int64(n)
	switch {
	case err != nil && err != io.EOF:
		b.err = fileError(err)
	case b.bytes > 0 && (b.read > b.bytes || err == io.EOF && b.read < b.bytes):
		b.err = ofFile(fault.Invalid, errors.New("it has another size than was said, or was changed while it was sent"))
	case err == io.EOF && b.read == 0:
		b.err = ofFile(fault.Corrupt, errors.New("it is empty"))
	default:
		return n, err
	}
	return n, b.err
}
