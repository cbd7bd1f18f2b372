package fetch_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
	"bcc/fetch"
)

// folders returns a root with files and links, and a folder outside with a secret.
func folders(t *testing.T) (inside, outside string) {
	t.Helper()
	base := t.TempDir()
	inside, outside = filepath.Join(base, "slides"), filepath.Join(base, "slides-secret")
	for path, text := range map[string]string{"slides/a b.tif": "slide", "slides/sub/c.tif": "slide", "slides-secret/s": "secret"} {
		path = filepath.Join(base, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"out": outside, "file-out": filepath.Join(outside, "s"), "in": filepath.Join(inside, "sub"), "near": "sub/c.tif", "up": "../slides-secret/s"} {
		if err := os.Symlink(to, filepath.Join(inside, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(inside, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return inside, outside
}

func TestFilesBelowTheRootsAreRead(t *testing.T) {
	t.Parallel()
	inside, outside := folders(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(inside, link); err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{inside, link} {
		cfg := fetch.DefaultConfig()
		cfg.Roots = []string{base}
		f := open(t, cfg)
		for _, name := range []string{"a%20b.tif", "sub/c.tif", "in/c.tif", "near", "sub/../near"} {
			address := "file://" + base + "/" + name
			path, ok, err := f.Local(address)
			if err != nil || !ok {
				t.Errorf("%s: %v", name, err)
			}
			if text, _ := os.ReadFile(path); string(text) != "slide" {
				t.Errorf("%s: %s holds %q", name, path, text)
			}
			if got, err := get(t, f, address); got != "slide" || err != nil {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		for _, address := range []string{
			"file://" + outside + "/s", "file://" + outside + "/none", "file://" + base + "/../slides-secret/s", "file://" + base + "/%2e%2e/slides-secret/s",
			"file://" + base + "/out/s", "file://" + base + "/out/none", "file://" + base + "/file-out", "file://" + base + "/up", "file:///etc/passwd", "file:///", "file://" + base,
		} {
			_, ok, err := f.Local(address)
			if !ok {
				t.Errorf("%s: not taken for a file", address)
			}
			refused(t, address, err)
			got, err := get(t, f, address)
			refused(t, address, err)
			if got != "" {
				t.Errorf("%s: read %q", address, got)
			}
		}
		for name, want := range map[string]fault.Kind{"none": fault.NotFound, "near/x": fault.NotFound, "sub": fault.Invalid, "pipe": fault.Invalid, "near?x": fault.Invalid, "a%00b": fault.Invalid} {
			if err := f.Check(t.Context(), "file://"+base+"/"+name); fault.Of(err) != want || err == nil {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			if _, err := get(t, f, "file://"+base+"/"+name); fault.Of(err) != want || err == nil {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
	cfg := fetch.DefaultConfig()
	if _, ok, err := open(t, cfg).Local("https://host/x"); ok || err != nil {
		t.Errorf("https taken for a file: %v", err)
	}
	cfg.Roots = []string{filepath.Join(inside, "none")}
	if _, err := fetch.New(cfg); fault.Of(err) != fault.Invalid {
		t.Errorf("a root that is not there: %v, want invalid", err)
	}
}

// buckets opens objects that are their own text.
type buckets struct{ size int64 }

func (b buckets) OpenS3(_ context.Context, bucket, key string) (io.ReadCloser, int64, error) {
	if key == "in/none" {
		return nil, 0, fault.New(fault.NotFound, "no such key")
	}
	return io.NopCloser(strings.NewReader(bucket + ":" + key)), b.size, nil
}

func TestObjectsOfAllowedBucketsAreRead(t *testing.T) {
	t.Parallel()
	cfg := fetch.DefaultConfig()
	cfg.Buckets = []string{"one", "two/in"}
	if _, err := fetch.New(cfg); err == nil {
		t.Error("buckets, but nothing that opens them")
	}
	cfg.S3 = buckets{-1}
	cfg.MaxBytes = 20
	f := open(t, cfg)
	for address, want := range map[string]string{"s3://one/a/b c.tif": "one:a/b c.tif", "s3://two/in/x?y%20": "two:in/x?y%20", "S3://one/x": "one:x"} {
		if err := f.Check(t.Context(), address); err != nil {
			t.Error(err)
		}
		if got, err := get(t, f, address); got != want || err != nil {
			t.Errorf("%s: %q, %v", address, got, err)
		}
	}
	for _, address := range []string{"s3://three/x", "s3://two/x", "s3://two/inner/x", "s3://key:secret@one/x", "s3://one:80/x"} {
		refused(t, address, f.Check(t.Context(), address))
		_, err := get(t, f, address)
		refused(t, address, err)
	}
	if _, err := get(t, f, "s3://two/in/none"); fault.Of(err) != fault.NotFound {
		t.Errorf("no such key: %v", err)
	}
	if got, err := get(t, f, "s3://one/"+strings.Repeat("x", 30)); got != "" || err == nil {
		t.Errorf("too large: %q, %v", got, err)
	}
	cfg.S3 = buckets{9}
	if _, err := get(t, open(t, cfg), "s3://one/x"); fault.Of(err) != fault.Unavailable {
		t.Errorf("shorter than it says: %v, want unavailable", err)
	}
}

func TestListsThatSayNothingAreInvalid(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "https://host", "host/path", "a:b:c:d/x", "host:port", "*.", "a.*.b", "user@host", "[::1]"} {
		cfg := fetch.DefaultConfig()
		cfg.Hosts = []string{host}
		if _, err := fetch.New(cfg); fault.Of(err) != fault.Invalid {
			t.Errorf("host %q: %v, want invalid", host, err)
		}
	}
	for _, bucket := range []string{"", "*", "a@b", "/x"} {
		cfg := fetch.DefaultConfig()
		cfg.Buckets, cfg.S3 = []string{bucket}, buckets{}
		if _, err := fetch.New(cfg); err == nil {
			t.Errorf("bucket %q is taken", bucket)
		}
	}
}

func TestItCountsHowFetchesEnd(t *testing.T) {
	t.Parallel()
	cfg := fetch.DefaultConfig()
	registry := prometheus.NewRegistry()
	cfg.Buckets, cfg.S3, cfg.Registerer = []string{"one"}, buckets{-1}, registry
	f := open(t, cfg)
	get(t, f, "s3://one/x")
	get(t, f, "s3://two/x")
	get(t, f, "file:///etc/passwd")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := ""
			for _, l := range m.GetLabel() {
				name = l.GetValue() + " " + name
			}
			got[name] = m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{"s3 done ": 1, "s3 refused ": 1, "file refused ": 1, "": 5} {
		if got[name] != want {
			t.Errorf("%q: %v, want %v (of %v)", name, got[name], want, got)
		}
	}
}
