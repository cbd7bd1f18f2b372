package fetch_test

import (
	"context"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/fetch"
)

// everywhere is a resolver for which every name is this machine.
type everywhere struct{}

func (everywhere) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// FuzzAddress looks for an address that gets past the lists.
func FuzzAddress(f *testing.F) {
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err != nil {
		f.Fatal(err)
	}
	cfg := fetch.DefaultConfig()
	cfg.Hosts, cfg.Roots, cfg.Buckets = []string{"*:*"}, []string{dir}, []string{"one/in"}
	cfg.S3, cfg.Resolver = buckets{}, everywhere{}
	fetcher, err := fetch.New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { fetcher.Close() })
	for _, address := range []string{
		"https://host/x", "https://[::1]:80/", "http://u:p@host#x", "s3://one/in/x", "s3://one/../x", "file://" + dir + "/x", "file://" + dir + "/../x", "https://1.1.1.1@[::ffff:7f00:1]",
	} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if fetcher.Check(t.Context(), address) != nil {
			return
		}
		// What passes is an object below the prefix, a file below the root, or a public
		// address that was written as one.
		lower := strings.ToLower(address)
		if key, ok := strings.CutPrefix(lower, "s3://one/in/"); ok && !strings.Contains("/"+key+"/", "/../") {
			return
		}
		if path, ok, _ := fetcher.Local(address); ok && filepath.Dir(path) == dir {
			return
		}
		if u, err := url.Parse(address); err == nil && u.Scheme == "https" {
			if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.Unmap().IsGlobalUnicast() && !a.Unmap().IsPrivate() {
				return
			}
		}
		t.Errorf("%q passed", address)
	})
}
