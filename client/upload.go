package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"bcc/fault"
)

// Upload is a slide that the server has.
type Upload struct {
	SHA256   string   `json:"upload"`
	Bytes    int64    `json:"bytes"`
	WidthPx  int      `json:"width_px"`
	HeightPx int      `json:"height_px"`
	MPPUM    *float64 `json:"mpp_um"` // nil: the file does not say
	Format   string   `json:"format"`

	Sent bool `json:"-"` // now, and not before
}

// Upload makes sure that the server has the file at path, which is read twice: once
// for its digest, by which the server is asked, and once to be sent. With always the
// server is not asked. Its name is not sent.
func (c *Client) Upload(ctx context.Context, path string, always bool) (Upload, error) {
	sum, bytes, err := digest(ctx, path)
	if err != nil {
		return Upload{}, err
	}
	if !always {
		var u Upload
		err := c.ask(ctx, request{method: "GET", path: "/uploads/" + sum}, &u)
		if err == nil && u.SHA256 == sum && u.Bytes == bytes {
			return u, nil
		}
		if err != nil && fault.Of(err) != fault.NotFound {
			return Upload{}, err
		}
	}
	f, err := openPlain(path)
	if err != nil {
		return Upload{}, err
	}
	defer f.Close()
	u, err := c.UploadFrom(ctx, f, bytes)
	if err == nil && u.SHA256 != sum {
		return Upload{}, ofFile(fault.Invalid, errors.New("it was changed while it was sent"))
	}
	return u, err
}

// UploadFrom sends a slide as it is read from r; nothing of it is kept here. bytes is
// its size, or -1 where nobody knows it: then a server cannot say before that it is too
// large. The server is not asked whether it has the slide: its digest is known when it
// was read.
//
// When the server goes away in the middle, what can be sought (io.Seeker) is sent again
// from where it stood; anything else is, as long as nothing was read of it. r must not be
// used until UploadFrom returns, nor after it returned an error while a Read hangs.
func (c *Client) UploadFrom(ctx context.Context, r io.Reader, bytes int64) (Upload, error) {
	b, err := newBody(r, bytes)
	if err != nil {
		return Upload{}, err
	}
	q := request{method: "POST", path: "/slides", kind: "application/octet-stream", bytes: bytes}
	if bytes < 0 {
		q.bytes = -1
	}
	q.body = func() (io.ReadCloser, error) { return b.open(ctx) }
	var u Upload
	err = c.again(ctx, func() error {
		err := c.askOnce(ctx, q, &u)
		if e, passes := errors.AsType[*away](err); passes && ctx.Err() == nil {
			return b.after(e, c)
		}
		return err
	})
	if err != nil {
		return Upload{}, err
	}
	if sum := b.sum(); u.SHA256 != sum {
		return Upload{}, fault.Hint(fault.New(fault.Unavailable, "the slide came to the server otherwise than it was sent"), "send it again; where that stays, look for what stands between")
	}
	u.Sent = true
	return u, nil
}

// ErrFile says that the trouble lies in the file or its disk, not with the server.
var ErrFile = errors.New("the file")

// openPlain opens a file that is one: of a folder nothing can be sent, and a named
// pipe would wait for ever.
func openPlain(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fileError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, ofFile(fault.Invalid, errors.New("it is no plain file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(err)
	}
	return f, nil
}

func fileError(err error) error {
	if os.IsNotExist(err) {
		return ofFile(fault.NotFound, errors.New("no such file"))
	}
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err // whoever asks says which file
	}
	return ofFile(fault.Unavailable, err)
}

func ofFile(kind fault.Kind, err error) error { return fault.New(kind, "%w", fileTrouble{err}) }

// fileTrouble is ErrFile with the words of its cause.
type fileTrouble struct{ error }

func (e fileTrouble) Is(target error) bool { return target == ErrFile }

// digest returns the SHA-256 of a file in hex, and its size.
func digest(ctx context.Context, path string) (sum string, bytes int64, err error) {
	f, err := openPlain(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return "", 0, context.Cause(ctx)
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		bytes += int64(n)
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), bytes, nil
		}
		if err != nil {
			return "", 0, fileError(err)
		}
	}
}
