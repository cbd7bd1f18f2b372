package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"bcc/fault"
)

// writerMark is the metadata in which each write has a name of its own. A creator
// whose first answer was lost on the way meets its own object at the second attempt,
// and knows it by that.
const writerMark = "bcc-writer"

// joinFaster is how much faster than slowest a server joins parts at least.
const joinFaster = 64

// partsAtOnce are sent side by side; one more is being read meanwhile.
const partsAtOnce = 2

// Put uploads the object; one that is larger than a part in parts.
func (s *S3Store) Put(ctx context.Context, key string, r io.Reader) error {
	return s.write(ctx, key, r, false)
}

// Create is Put with If-None-Match: the server lets one creator win.
func (s *S3Store) Create(ctx context.Context, key string, r io.Reader) error {
	return s.write(ctx, key, r, true)
}

// Adopt uploads the file and takes it away.
func (s *S3Store) Adopt(ctx context.Context, key, from string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	file, err := openAdopted(from)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return folderError(fmt.Errorf("adopt file: %w", err))
	}
	size, at := info.Size(), int64(0)
	next := func() (io.ReadSeeker, int64, error) { // no part is copied into memory
		n := min(s.cfg.PartBytes, size-at)
		at += n
		return io.NewSectionReader(file, at-n, n), n, nil
	}
	if err := s.upload(ctx, &upload{key: key}, next); err != nil {
		return err
	}
	return os.Remove(from)
}

func (s *S3Store) write(ctx context.Context, key string, r io.Reader, create bool) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	src := &source{ctx: ctx, r: r}
	next := func() (io.ReadSeeker, int64, error) {
		var part bytes.Buffer // grows with what is there: most objects are small
		n, err := io.CopyN(&part, src, s.cfg.PartBytes)
		if err != nil && err != io.EOF {
			return nil, 0, fmt.Errorf("write object %s: %w", key, err)
		}
		return bytes.NewReader(part.Bytes()), n, nil
	}
	return s.upload(ctx, &upload{key: key, create: create}, next)
}

// upload is one object on its way.
type upload struct {
	key    string
	create bool
	writer string // its writerMark

	id string // of the upload in parts

	mu    sync.Mutex
	done  []types.CompletedPart
	bytes int64
}

// condition is If-None-Match of a creator.
func (u *upload) condition() *string {
	if u.create {
		return aws.String("*")
	}
	return nil
}

// upload sends the parts that next returns, the first of them shorter than the rest
// or empty being the last.
func (s *S3Store) upload(ctx context.Context, up *upload, next func() (io.ReadSeeker, int64, error)) error {
	up.writer = rand.Text()
	first, n, err := next()
	if err != nil {
		return err
	}
	if n < s.cfg.PartBytes {
		return s.settle(ctx, up, s.do(ctx, up.operation(), up.key, n, func(ctx context.Context) error {
			_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &s.cfg.Bucket, Key: aws.String(s.name(up.key)), Body: first, ContentLength: &n,
				IfNoneMatch: up.condition(), Metadata: map[string]string{writerMark: up.writer},
			})
			return err
		}))
	}
	err = s.do(ctx, up.operation(), up.key, 0, func(ctx context.Context) error {
		out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: &s.cfg.Bucket, Key: aws.String(s.name(up.key)), Metadata: map[string]string{writerMark: up.writer},
		})
		if err == nil {
			up.id = aws.ToString(out.UploadId)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err = s.parts(ctx, up, first, n, next); err == nil {
		err = s.complete(ctx, up)
	}
	if err = s.settle(ctx, up, err); err != nil {
		s.abort(ctx, up)
		return err
	}
	s.sweep(ctx, up)
	return nil
}

func (u *upload) operation() string {
	if u.create {
		return "create"
	}
	return "put"
}

// parts sends part after part, some at once.
func (s *S3Store) parts(ctx context.Context, up *upload, part io.ReadSeeker, n int64, next func() (io.ReadSeeker, int64, error)) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(partsAtOnce)
	var err error
	for number := int32(1); err == nil && n > 0 && ctx.Err() == nil; number++ {
		body, size := part, n
		eg.Go(func() error { return s.part(ctx, up, number, body, size) })
		if n < s.cfg.PartBytes {
			break
		}
		part, n, err = next()
	}
	if failed := eg.Wait(); err == nil { // the reader's own error says more than the end of its context
		err = failed
	}
	return err
}

func (s *S3Store) part(ctx context.Context, up *upload, number int32, body io.Reader, n int64) error {
	return s.do(ctx, "part", up.key, n, func(ctx context.Context) error {
		out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &s.cfg.Bucket, Key: aws.String(s.name(up.key)), UploadId: &up.id,
			PartNumber: &number, Body: body, ContentLength: &n,
		})
		if err != nil {
			return err
		}
		up.mu.Lock()
		defer up.mu.Unlock()
		up.bytes += n
		up.done = append(up.done, types.CompletedPart{ETag: out.ETag, PartNumber: &number})
		return nil
	})
}

// complete has the server join the parts, which some do by copying them.
func (s *S3Store) complete(ctx context.Context, up *upload) error {
	slices.SortFunc(up.done, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	return s.do(ctx, up.operation(), up.key, up.bytes/joinFaster, func(ctx context.Context) error {
		_, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.cfg.Bucket, Key: aws.String(s.name(up.key)), UploadId: &up.id,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: up.done}, IfNoneMatch: up.condition(),
		}, func(o *s3.Options) { o.HTTPClient = s.patient })
		return err
	})
}

// settle looks at how a write ended. After an error the object may be there all the
// same: the answer was lost, and the second attempt was told that the name is taken
// or the upload is over.
func (s *S3Store) settle(ctx context.Context, up *upload, err error) error {
	response, answered := errors.AsType[*smithyhttp.ResponseError](err)
	if !answered || response.Response == nil {
		return err
	}
	taken := response.HTTPStatusCode() == http.StatusPreconditionFailed
	if !taken && response.HTTPStatusCode() != http.StatusNotFound {
		return err
	}
	var writer string
	again := s.do(ctx, "head", up.key, 0, func(ctx context.Context) error {
		out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.cfg.Bucket, Key: aws.String(s.name(up.key))})
		if err == nil {
			writer = out.Metadata[writerMark]
		}
		return err
	})
	switch {
	case again == nil && writer == up.writer:
		return nil
	case again == nil && taken:
		return fmt.Errorf("create object %s: %w", up.key, ErrExists)
	case taken:
		return fault.New(fault.Unavailable, "create object %s: it was there, then it was not", up.key)
	case fault.Of(err) == fault.NotFound:
		return fault.New(fault.Unavailable, "%w", err) // somebody ended the upload
	}
	return err
}

// sweepFor bounds what sweep takes of a writer's time while the server is in trouble.
const sweepFor = 10 * time.Second

// sweep frees the parts of other uploads of the object: of writers that were killed on
// their way, or that nobody heard when they ended theirs. One that lives is told that
// its upload is over, and finds the object there when it tries again.
func (s *S3Store) sweep(ctx context.Context, up *upload) {
	ctx, cancel := context.WithTimeout(ctx, sweepFor)
	defer cancel()
	for ctx.Err() == nil {
		err := s.do(ctx, "sweep", up.key, 0, func(ctx context.Context) error {
			out, err := s.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &s.cfg.Bucket, Prefix: aws.String(s.name(up.key))})
			if err != nil {
				return err
			}
			for _, other := range out.Uploads {
				if aws.ToString(other.Key) != s.name(up.key) || aws.ToString(other.UploadId) == up.id {
					continue
				}
				_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.cfg.Bucket, Key: other.Key, UploadId: other.UploadId})
				if err != nil && fault.Of(s3Error(err)) != fault.NotFound {
					return err
				}
			}
			return nil
		})
		if fault.Of(err) != fault.Unavailable || fault.HintOf(err) != "" {
			return // done, or this server or these credentials cannot: then the bucket's rule does
		}
	}
}

// abort frees the parts of an upload that failed. What it cannot free, the next writer
// of the object does, or the bucket's own rule for unfinished uploads.
func (s *S3Store) abort(ctx context.Context, up *upload) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &s.cfg.Bucket, Key: aws.String(s.name(up.key)), UploadId: &up.id,
	})
}
