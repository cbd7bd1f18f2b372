package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"bcc/fault"
)

// Reading in blocks: a slide's tiles are some ten kilobytes each and lie near each
// other, and a request takes as long as a megabyte does.
const (
	blockBytes = 1 << 20
	blocksKept = 16       // of an object, the last used
	blocksNext = 3        // asked for ahead when an object is read from front to back
	headBytes  = 64 << 10 // that come with opening: most objects are no larger
)

// s3Object reads an object by ranges. Its memory is blocksKept blocks and those on
// their way.
type s3Object struct {
	store *S3Store
	key   string
	etag  *string // all blocks are of the object as it was when it was opened
	size  int64
	head  []byte

	ctx    context.Context // ends with Close; the object outlives the call that opened it
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	blocks map[int64]*block
	clock  int64 // counts uses
	last   int64 // block that was asked for last
	closed bool
}

// block is a part of the object, there or on its way.
type block struct {
	ready chan struct{} // closed when data or err is there
	data  []byte
	err   error
	used  int64
}

// Open asks for the first bytes, and with them for the size. Reading goes on when
// ctx has ended, until Close.
func (s *S3Store) Open(ctx context.Context, key string) (*Object, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	o := &s3Object{store: s, key: key, ctx: life, cancel: cancel, blocks: map[int64]*block{}, last: -1}
	if err := o.open(ctx); err != nil {
		cancel()
		return nil, err
	}
	return NewObject(o, o.size, o.close), nil
}

func (o *s3Object) open(ctx context.Context) error {
	s := o.store
	err := s.do(ctx, "open", o.key, headBytes, func(ctx context.Context) error {
		out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
			Bucket: &s.cfg.Bucket, Key: aws.String(s.name(o.key)), Range: aws.String(fmt.Sprintf("bytes=0-%d", headBytes-1)),
		})
		if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && response.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable {
			return nil // an empty object has no first byte
		}
		if err != nil {
			return err
		}
		defer out.Body.Close()
		if o.size, err = sizeOf(out); err != nil {
			return err
		}
		o.etag = out.ETag
		o.head = make([]byte, min(o.size, headBytes))
		_, err = io.ReadFull(out.Body, o.head)
		return err
	})
	return err
}

// sizeOf returns the whole object's size out of the answer to a range.
func sizeOf(out *s3.GetObjectOutput) (int64, error) {
	_, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/")
	if !ok {
		if n := aws.ToInt64(out.ContentLength); n <= headBytes {
			return n, nil // all of it
		}
		return 0, fault.New(fault.Unsupported, "the server does not serve ranges of objects")
	}
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil || size < 0 {
		return 0, fault.New(fault.Unavailable, "content-range %.80q in the answer", aws.ToString(out.ContentRange))
	}
	return size, nil
}

// ReadAt reads out of blocks.
func (o *s3Object) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, fault.New(fault.Invalid, "read object %s at %d", o.key, at)
	}
	want := len(p)
	p = p[:max(0, min(int64(len(p)), o.size-at))]
	n := 0
	if at < int64(len(o.head)) && at+int64(len(p)) <= int64(len(o.head)) {
		n = copy(p, o.head[at:])
		p = p[n:]
	}
	for len(p) > 0 {
		from := at + int64(n)
		data, err := o.block(from/blockBytes, (from+int64(len(p))-1)/blockBytes)
		if err != nil {
			return n, err
		}
		m := copy(p, data[from%blockBytes:])
		n, p = n+m, p[m:]
	}
	if n < want {
		return n, io.EOF
	}
	return n, nil
}

// block returns block i, and asks for those after it that are wanted up to last, or
// will be.
func (o *s3Object) block(i, last int64) ([]byte, error) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil, fault.New(fault.Invalid, "read object %s: it is closed", o.key)
	}
	b := o.ask(i)
	if i == o.last+1 {
		last = max(last, i+blocksNext)
	}
	for next := i + 1; next <= min(last, i+blocksNext, (o.size-1)/blockBytes); next++ {
		o.ask(next)
	}
	o.last = i
	o.mu.Unlock()
	<-b.ready // ends with o.ctx, too
	return b.data, b.err
}

// ask returns a block, which may be on its way. The caller holds mu.
func (o *s3Object) ask(i int64) *block {
	o.clock++
	b, ok := o.blocks[i]
	if !ok {
		b = &block{ready: make(chan struct{})}
		o.blocks[i] = b
		o.wg.Go(func() { o.fetch(i, b) })
	}
	b.used = o.clock
	if len(o.blocks) > blocksKept {
		o.forget()
	}
	return b
}

// forget drops the block that was not used for longest.
func (o *s3Object) forget() {
	oldest := int64(-1)
	for i, b := range o.blocks {
		if oldest < 0 || b.used < o.blocks[oldest].used {
			oldest = i
		}
	}
	delete(o.blocks, oldest) // whoever waits for it holds it
}

// fetch brings block i. One that fails is forgotten, so that the next reader asks again.
func (o *s3Object) fetch(i int64, b *block) {
	defer close(b.ready)
	from := i * blockBytes
	data := make([]byte, min(blockBytes, o.size-from))
	for attempt := 1; ; attempt++ {
		broke, err := o.get(data, from)
		if err == nil {
			b.data = data
			return
		}
		// The client repeats requests, but not an answer that broke off.
		if !broke || attempt >= o.store.cfg.Attempts || o.ctx.Err() != nil {
			b.err = err
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.blocks[i] == b {
		delete(o.blocks, i)
	}
}

// get reads a range into p; broke says that the answer began.
func (o *s3Object) get(p []byte, from int64) (broke bool, err error) {
	s := o.store
	err = s.do(o.ctx, "read", o.key, int64(len(p)), func(ctx context.Context) error {
		out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
			Bucket: &s.cfg.Bucket, Key: aws.String(s.name(o.key)), IfMatch: o.etag,
			Range: aws.String(fmt.Sprintf("bytes=%d-%d", from, from+int64(len(p))-1)),
		})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		if size, err := sizeOf(out); err != nil || size != o.size {
			return errors.Join(err, fault.New(fault.Unavailable, "%d bytes when it was opened, now %d", o.size, size))
		}
		broke = true
		_, err = io.ReadFull(out.Body, p)
		return err
	})
	return broke, err
}

func (o *s3Object) close() error {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.cancel()
	o.wg.Wait()
	return nil
}
