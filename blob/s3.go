package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// slowest is the rate, in bytes a second, below which a transfer counts as no answer.
const slowest = 128 << 10

// S3Config says how a bucket is reached.
type S3Config struct {
	Bucket string
	Prefix string // before each key, with a slash between; may be empty

	Endpoint  string // URL of the server; empty: Amazon's of the region
	Region    string // default us-east-1, which most other servers take as well
	PathStyle bool   // http://host/bucket/key in place of http://bucket.host/key; most servers but Amazon's want it

	AccessKey, SecretKey, SessionToken string                  // the last is empty for lasting keys
	Anonymous                          bool                    // no credentials, for public buckets
	Credentials                        aws.CredentialsProvider // in place of the keys; asked before requests; nil: the keys

	Timeout   time.Duration // for the first byte of an answer; default 10 s. With Attempts it bounds how long a dead server keeps a caller
	Attempts  int           // of each request; default 3
	Pause     time.Duration // the longest between two attempts; default 2 s. The first are shorter
	PartBytes int64         // of an upload in parts; default 8 MiB. Three are in memory; 10,000 make the largest object

	Registerer prometheus.Registerer // may be nil
}

// DefaultS3Config returns what holds where nothing else is said.
func DefaultS3Config() S3Config {
	return S3Config{Region: "us-east-1", Timeout: 10 * time.Second, Attempts: 3, Pause: 2 * time.Second, PartBytes: 8 << 20}
}

// LogValue hides the credentials.
func (c S3Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("bucket", c.Bucket), slog.String("region", c.Region), slog.Bool("path_style", c.PathStyle))
}

// Validate returns all problems at once.
func (c S3Config) Validate() error {
	errs := []error{checkBucket(c.Bucket), c.validateAccess()}
	if c.Prefix != "" && checkKey(c.Prefix, 1024-maxKey-1) != nil {
		errs = append(errs, fault.New(fault.Invalid, "prefix %.80q in bucket: want names of letters, digits, dots, - and _ with slashes between, 255 bytes at most", c.Prefix))
	}
	return errors.Join(errs...)
}

// validateAccess looks at all but the bucket.
func (c S3Config) validateAccess() error {
	var errs []error
	if u, err := url.Parse(c.Endpoint); c.Endpoint != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil) {
		errs = append(errs, fault.New(fault.Invalid, "endpoint of object storage: want https://host or https://host:port"))
	}
	if c.Region == "" {
		errs = append(errs, fault.New(fault.Invalid, "no region of object storage"))
	}
	if !c.Anonymous && c.Credentials == nil && (c.AccessKey == "" || c.SecretKey == "") {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "no credentials for object storage"),
			"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or pass --s3-role on a machine that has a role"))
	}
	if c.Timeout <= 0 || c.Attempts < 1 || c.Pause <= 0 {
		errs = append(errs, fault.New(fault.Invalid, "object storage: %v for an answer, %d attempts, pauses of %v: want more than 0", c.Timeout, c.Attempts, c.Pause))
	}
	if c.PartBytes < 5<<20 {
		errs = append(errs, fault.New(fault.Invalid, "object storage: parts of %d bytes, want 5 MiB or more", c.PartBytes))
	}
	return errors.Join(errs...)
}

// checkBucket checks a bucket's name: what S3 allows now, and nothing that would
// mean something else in an address.
func checkBucket(name string) error {
	ok := len(name) >= 3 && len(name) <= 63
	for i, c := range []byte(name) {
		inner := i > 0 && i < len(name)-1 && (c == '-' || c == '.')
		ok = ok && (inner || 'a' <= c && c <= 'z' || '0' <= c && c <= '9')
	}
	if !ok || strings.Contains(name, "..") {
		return fault.New(fault.Invalid, "bucket %.80q: want 3 to 63 small letters, digits, - and dots", name)
	}
	return nil
}

// S3Store keeps objects in a bucket.
type S3Store struct {
	cfg     S3Config
	client  *s3.Client
	patient *http.Client // for answers that take the server's time, not the network's
	metrics s3Metrics
}

var _ Store = (*S3Store)(nil)

// OpenS3 returns the store. It asks nothing of the server yet: a store that does not
// answer now may do so later. Check asks.
func OpenS3(cfg S3Config) (*S3Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return newS3(cfg), nil
}

func newS3(cfg S3Config) *S3Store {
	options := s3.Options{
		Region:       cfg.Region,
		UsePathStyle: cfg.PathStyle,
		Credentials:  credentials.NewStaticCredentialsProvider(cfg.AccessKey, cfg.SecretKey, cfg.SessionToken),
		HTTPClient:   &http.Client{Transport: s3Transport(cfg.Timeout, cfg.Timeout)},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = cfg.Attempts
			o.MaxBackoff = cfg.Pause
			// Two creators at the same moment: the loser has to ask again.
			o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{"ConditionalRequestConflict": {}}})
		}),
		// Bodies are signed with their SHA-256. The newer checksums in trailers are
		// refused by older servers.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if cfg.Credentials != nil {
		options.Credentials = aws.NewCredentialsCache(role{cfg.Credentials})
	}
	if cfg.Anonymous {
		options.Credentials = aws.AnonymousCredentials{}
	}
	if cfg.Endpoint != "" {
		options.BaseEndpoint = aws.String(cfg.Endpoint)
	}
	return &S3Store{cfg, s3.New(options), &http.Client{Transport: s3Transport(cfg.Timeout, 0)}, newS3Metrics(cfg.Registerer)}
}

// role is a provider whose errors say what they are about. They may pass: what gives
// out credentials can be away as anything else.
type role struct{ from aws.CredentialsProvider }

func (r role) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := r.from.Retrieve(ctx)
	if err != nil && ctx.Err() == nil {
		err = fault.Hint(fault.New(fault.Unavailable, "credentials for object storage: %w", err), "has this machine, or this account, a role?")
	}
	return c, err
}

// s3Transport takes no proxy from the environment, as nothing here does. A head of 0
// waits for an answer as long as the operation may take.
func s3Transport(timeout, head time.Duration) *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: timeout / 2}).DialContext,
		TLSHandshakeTimeout:   timeout / 2,
		ResponseHeaderTimeout: head,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       time.Minute,
		DisableCompression:    true,
	}
}

// Check asks the server for the first key, to tell wrong names and credentials early.
func (s *S3Store) Check(ctx context.Context) error {
	return s.do(ctx, "check", "", 0, func(ctx context.Context) error {
		_, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, Prefix: aws.String(s.name("")), MaxKeys: aws.Int32(1)})
		return err
	})
}

// name returns the key within the bucket; that of a prefix keeps its slash.
func (s *S3Store) name(key string) string {
	if s.cfg.Prefix == "" {
		return key
	}
	return s.cfg.Prefix + "/" + key
}

// List asks for pages of 1,000.
func (s *S3Store) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		in := &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, Prefix: aws.String(s.name(prefix))}
		for {
			var page *s3.ListObjectsV2Output
			err := s.do(ctx, "list", prefix, 0, func(ctx context.Context) (err error) {
				page, err = s.client.ListObjectsV2(ctx, in)
				return err
			})
			if err != nil {
				yield(Info{}, err)
				return
			}
			for _, o := range page.Contents {
				key := strings.TrimPrefix(aws.ToString(o.Key), s.name(""))
				if CheckKey(key) != nil {
					continue // put there by another program
				}
				if !yield(Info{key, aws.ToInt64(o.Size), aws.ToTime(o.LastModified).UTC()}, nil) {
					return
				}
			}
			if page.NextContinuationToken == nil || !aws.ToBool(page.IsTruncated) {
				return
			}
			in.ContinuationToken = page.NextContinuationToken
		}
	}
}

// Delete takes the object away; S3 knows no error for one that is not there.
func (s *S3Store) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	err := s.do(ctx, "delete", key, 0, func(ctx context.Context) error {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.cfg.Bucket, Key: aws.String(s.name(key))})
		return err
	})
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

// do runs one operation that moves so many bytes, with a time limit, and gives its
// error a kind.
func (s *S3Store) do(ctx context.Context, operation, key string, bytes int64, f func(context.Context) error) error {
	begun := time.Now()
	limit := time.Duration(s.cfg.Attempts)*(s.cfg.Timeout+s.cfg.Pause) + time.Duration(bytes/slowest)*time.Second
	timed, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	err := f(timed)
	if err == nil {
		s.metrics.observe(operation, time.Since(begun), nil)
		return nil
	}
	if ended := context.Cause(ctx); ended != nil {
		return fmt.Errorf("%s object %s: %w", operation, key, ended) // the caller's doing, not the server's
	}
	if timed.Err() != nil {
		err = fault.New(fault.Unavailable, "%w", context.Cause(timed))
	}
	err = fmt.Errorf("%s object %s: %w", operation, path.Join(s.cfg.Bucket, s.name(key)), s3Error(err))
	s.metrics.observe(operation, time.Since(begun), err)
	return err
}

// s3Error gives an error of the client its kind. What the operator can mend is
// Unavailable, so that work waits for it.
func s3Error(err error) error {
	if err == nil || fault.Of(err) != fault.Internal || errors.Is(err, ErrExists) {
		return err
	}
	code := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	status := 0
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && response.Response != nil {
		status = response.HTTPStatusCode()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = &brokeOff{err}
	}
	err = &inShort{err}
	switch {
	case code == "RequestTimeTooSkewed": // the client has taken the server's time and tried again
		return fault.Hint(fault.New(fault.Unavailable, "%w", err), "set the clock of this machine")
	case code == "NoSuchBucket":
		return fault.Hint(fault.New(fault.Unavailable, "%w", err), "create the bucket, or name another one with --store")
	case status == http.StatusNotFound && missingCodes[code]:
		return fault.New(fault.NotFound, "%w", err)
	case status == http.StatusNotFound, status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fault.Hint(fault.New(fault.Unavailable, "%w", err), "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do in the bucket")
	case status == http.StatusPreconditionFailed:
		return fault.New(fault.Unavailable, "it changed meanwhile: %w", err)
	case status == 0, status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusConflict:
		return fault.New(fault.Unavailable, "%w", err)
	case status >= 200 && status < 300: // an answer that broke off
		return fault.New(fault.Unavailable, "%w", err)
	}
	return err
}

// missingCodes are the codes of a 404 that is about an object. A HEAD has none. Some
// servers say 404 of a key that they do not know, which says nothing of any slide.
var missingCodes = map[string]bool{"": true, "NotFound": true, "NoSuchKey": true, "NoSuchVersion": true, "NoSuchUpload": true}

// inShort is an error of the client without the client's layers and the numbers that
// only the server's operator can look up.
type inShort struct{ error }

func (e *inShort) Unwrap() error { return e.error }

func (e *inShort) Error() string {
	if api, ok := errors.AsType[smithy.APIError](e.error); ok {
		if text := api.ErrorMessage(); text != "" {
			return api.ErrorCode() + ": " + text
		}
		return api.ErrorCode()
	}
	if sent, ok := errors.AsType[*url.Error](e.error); ok {
		return sent.Err.Error() // without the address, which the configuration knows
	}
	return e.error.Error()
}

// brokeOff is a connection that ended. Its cause is in words only: to whoever reads a
// slide io.EOF is where its file ends, and a file that ends too early is corrupt.
type brokeOff struct{ cause error }

func (e *brokeOff) Error() string { return e.cause.Error() }

// Buckets opens objects of any bucket that the credentials may read, for fetch.
type Buckets struct{ store *S3Store }

// OpenBuckets returns what opens objects. The configuration's bucket and prefix do
// not count.
func OpenBuckets(cfg S3Config) (*Buckets, error) {
	if err := cfg.validateAccess(); err != nil {
		return nil, err
	}
	return &Buckets{newS3(cfg)}, nil
}

// OpenS3 opens an object as a stream, and says how many bytes it has. The stream
// ends with ctx.
func (b *Buckets) OpenS3(ctx context.Context, bucket, key string) (io.ReadCloser, int64, error) {
	if err := checkBucket(bucket); err != nil {
		return nil, 0, err
	}
	begun := time.Now()
	out, err := b.store.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if ended := context.Cause(ctx); err != nil && ended != nil {
		return nil, 0, ended
	}
	err = s3Error(err)
	b.store.metrics.observe("fetch", time.Since(begun), err)
	if err != nil {
		return nil, 0, fmt.Errorf("open object in bucket %s: %w", bucket, err)
	}
	return out.Body, aws.ToInt64(out.ContentLength), nil
}
