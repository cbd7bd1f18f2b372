package blob

import (
	"net/url"
	"path/filepath"
	"strings"

	"bcc/fault"
)

// Location is where a store lies: a folder, or a prefix in a bucket.
type Location struct {
	Dir            string // absolute where the address was a URL; empty: a bucket
	Bucket, Prefix string // the prefix without a slash at its end, often empty
}

// Parse reads a store's address: a path, file:///path, s3://bucket or
// s3://bucket/prefix. What it does not understand is Invalid.
func Parse(address string) (Location, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	switch {
	case address == "":
		return Location{}, hintStore(fault.New(fault.Invalid, "no address of a store"))
	case !ok && strings.HasPrefix(address, "s3:"), !ok && strings.HasPrefix(address, "file:"):
		return Location{}, hintStore(fault.New(fault.Invalid, "store %q: two slashes are missing after the colon", address))
	case !ok:
		return Location{Dir: filepath.Clean(address)}, nil
	}
	switch scheme {
	case "file":
		u, err := url.Parse(address)
		if err != nil || u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(u.Path) || u.RawQuery != "" || u.Fragment != "" {
			return Location{}, hintStore(fault.New(fault.Invalid, "store %q: want file:// and an absolute path", address))
		}
		return Location{Dir: filepath.Clean(u.Path)}, nil
	case "s3":
		bucket, prefix, _ := strings.Cut(rest, "/")
		prefix = strings.TrimSuffix(prefix, "/")
		c := S3Config{Bucket: bucket, Prefix: prefix, Region: "x", Anonymous: true, Timeout: 1, Attempts: 1, Pause: 1, PartBytes: 5 << 20}
		if strings.Contains(bucket, "@") {
			// The address may hold a key; it is not shown.
			return Location{}, hintStore(fault.New(fault.Invalid, "store: credentials do not belong into the address: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))
		}
		if err := c.Validate(); err != nil {
			return Location{}, hintStore(fault.New(fault.Invalid, "store %q: %w", address, err))
		}
		return Location{Bucket: bucket, Prefix: prefix}, nil
	}
	return Location{}, hintStore(fault.New(fault.Invalid, "store %q: nothing is kept by %q here", address, scheme))
}

func hintStore(err error) error {
	return fault.Hint(err, "name a folder, or s3://bucket/prefix")
}
