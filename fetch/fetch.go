// Package fetch brings slides from addresses that clients name: https, s3, files
// under allowed roots. Nothing is reached that is not on the lists.
//
// In: an address that is trusted in nothing. Out: its bytes, or an error that shows
// neither what the address's secrets are nor what our network looks like.
//
//	rules.go    which hosts, buckets and paths are allowed
//	network.go  which addresses are public, and the dialer that reaches no other
//	web.go      https; every redirect is an address of its own
//	local.go    files under the roots
//	body.go     bytes, time and silence are bounded
package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// ErrRefused is in the error of an address that is not allowed (HTTP 403).
var ErrRefused = errors.New("the address is not allowed")

// ErrTooLarge is in the error of a file of more than Config.MaxBytes (HTTP 413).
var ErrTooLarge = errors.New("the file is too large")

// Opener opens objects in buckets, blob.Buckets in the program.
type Opener interface {
	// OpenS3 opens an object as a stream and says how many bytes it has; less than 0:
	// unknown.
	OpenS3(ctx context.Context, bucket, key string) (io.ReadCloser, int64, error)
}

// Resolver asks for a host's addresses, net.DefaultResolver in the program.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config says what may be reached, and how much of it. Nothing is allowed that is
// not on a list.
type Config struct {
	// Hosts for https: "data.example.org", "*.example.org" (every name below it, not
	// itself), "*" (every public host). Port 443, or as written behind a colon; ":*" is
	// any port.
	Hosts []string
	// Roots are folders below which file:// may read.
	Roots []string
	// Buckets for s3: "bucket", or "bucket/prefix".
	Buckets []string
	// Networks that are not public and may be reached all the same, because whoever
	// runs the program named them. In these, http:// is allowed, too.
	Networks []netip.Prefix

	MaxBytes     int64         // of a file; default 8 GiB, four times the largest slides we know
	Timeout      time.Duration // for all of a file; default 30 min
	IdleTimeout  time.Duration // without a byte; default 30 s
	MaxRedirects int           // default 5

	S3       Opener         // nil: no s3
	Resolver Resolver       // default: the machine's
	RootCAs  *x509.CertPool // a laboratory's own authorities; nil: the machine's

	Registerer prometheus.Registerer // may be nil
}

// DefaultConfig allows nothing yet.
func DefaultConfig() Config {
	return Config{MaxBytes: 8 << 30, Timeout: 30 * time.Minute, IdleTimeout: 30 * time.Second, MaxRedirects: 5, Resolver: net.DefaultResolver}
}

// Validate returns all problems at once.
func (c Config) Validate() error {
	var errs []error
	if c.MaxBytes <= 0 || c.Timeout <= 0 || c.IdleTimeout <= 0 || c.MaxRedirects < 0 {
		errs = append(errs, fault.New(fault.Invalid, "fetch: %d bytes, %v for all, %v of silence, %d redirects: want more than 0", c.MaxBytes, c.Timeout, c.IdleTimeout, c.MaxRedirects))
	}
	if c.Resolver == nil {
		errs = append(errs, fault.New(fault.Invalid, "fetch: no resolver"))
	}
	if len(c.Buckets) > 0 && c.S3 == nil {
		errs = append(errs, fault.New(fault.Invalid, "fetch: buckets are allowed, but nothing opens them"))
	}
	for _, n := range c.Networks {
		if !n.IsValid() {
			errs = append(errs, fault.New(fault.Invalid, "fetch: a network that is none"))
		}
	}
	return errors.Join(errs...)
}

// Fetcher reads from addresses. It is safe for concurrent use.
type Fetcher struct {
	cfg     Config
	hosts   []hostRule
	buckets []bucketRule
	roots   []root
	client  *http.Client
	metrics metrics
}

// New returns a fetcher. The roots have to be there.
func New(cfg Config) (*Fetcher, error) {
	f := &Fetcher{cfg: cfg}
	errs := []error{cfg.Validate()}
	for _, text := range cfg.Hosts {
		rule, err := parseHost(text)
		f.hosts, errs = append(f.hosts, rule), append(errs, err)
	}
	for _, text := range cfg.Buckets {
		rule, err := parseBucket(text)
		f.buckets, errs = append(f.buckets, rule), append(errs, err)
	}
	for _, dir := range cfg.Roots {
		r, err := openRoot(dir)
		f.roots, errs = append(f.roots, r), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	f.client, f.metrics = f.newClient(), newMetrics(cfg.Registerer)
	return f, nil
}

// Close gives the roots back.
func (f *Fetcher) Close() error {
	var errs []error
	for _, r := range f.roots {
		if r.dir != nil {
			errs = append(errs, r.dir.Close())
		}
	}
	return errors.Join(errs...)
}

// Check says whether an address may be fetched, without fetching it: it is well
// formed (Invalid), on the lists and not inside our network (ErrRefused), its name is
// known (Invalid) or nobody can be asked for it (Unavailable). Whether the file is
// there, only Fetch knows; for file:// Check does, too.
func (f *Fetcher) Check(ctx context.Context, address string) error {
	switch scheme(address) {
	case "https", "http":
		u, err := f.checkURL(address)
		if err != nil {
			return err
		}
		_, err = f.resolve(ctx, u.Hostname(), u.Scheme == "http")
		return err
	case "s3":
		_, _, err := f.checkS3(address)
		return err
	case "file":
		_, _, err := f.Local(address)
		return err
	}
	return unknownScheme(address)
}

// Fetch writes what lies at the address to w and returns how many bytes. An error of
// w keeps its kind; what has gone wrong at the other end and may be tried again is
// Unavailable.
func (f *Fetcher) Fetch(ctx context.Context, address string, w io.Writer) (int64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.cfg.Timeout, fault.New(fault.Unavailable, "fetch: not done within %v", f.cfg.Timeout))
	defer cancel()
	var by func(context.Context, string, io.Writer) (int64, error)
	kind := scheme(address)
	switch kind {
	case "https", "http":
		by = f.fetchWeb
	case "s3":
		by = f.fetchS3
	case "file":
		by = f.fetchFile
	default:
		return 0, unknownScheme(address)
	}
	n, err := by(ctx, address, w)
	f.metrics.observe(kind, n, err)
	return n, err
}

// scheme returns what stands before the colon, in small letters.
func scheme(address string) string {
	before, _, ok := strings.Cut(address, "://")
	if !ok {
		return ""
	}
	return strings.ToLower(before)
}

func unknownScheme(address string) error {
	name := scheme(address)
	if name == "" {
		return fault.Hint(fault.New(fault.Invalid, "fetch: the address has no scheme"), "write https://…, s3://bucket/key or file:///path")
	}
	return fault.Hint(fault.New(fault.Invalid, "fetch: addresses of the kind %.20q are not understood", name), "write https://…, s3://bucket/key or file:///path")
}

// refuse is the error of an address that is not allowed.
func refuse(hint, format string, args ...any) error {
	return fault.Hint(fault.New(fault.Invalid, "fetch: %s: %w", fmt.Sprintf(format, args...), ErrRefused), "%s", hint)
}

// fetchS3 reads an object of an allowed bucket.
func (f *Fetcher) fetchS3(ctx context.Context, address string, w io.Writer) (int64, error) {
	bucket, key, err := f.checkS3(address)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, size, err := f.cfg.S3.OpenS3(ctx, bucket, key)
	if err != nil {
		return 0, fmt.Errorf("fetch from bucket %s: %w", bucket, ended(ctx, err))
	}
	defer r.Close()
	n, err := f.copy(ctx, cancel, w, r, size)
	if err != nil {
		return n, fmt.Errorf("fetch from bucket %s: %w", bucket, err)
	}
	return n, nil
}

// fetchFile reads a file below a root.
func (f *Fetcher) fetchFile(ctx context.Context, address string, w io.Writer) (int64, error) {
	file, err := f.openLocal(address)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, fault.New(fault.Unavailable, "fetch file: %w", pathless(err))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return f.copy(ctx, cancel, w, file, info.Size())
}

// pathless takes the path out of an error: file names may name patients.
func pathless(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}
