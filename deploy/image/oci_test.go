package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// small is an image of three files.
func small(t *testing.T, r *Recipe, program string) v1.Image {
	t.Helper()
	img, err := newImage(r, &Root{
		System:  []file{{path: "etc/passwd", mode: 0o644, body: []byte(passwd)}},
		Engine:  []file{{path: "usr/lib/bcc/engine.so", mode: 0o644, body: []byte("engine")}},
		Program: []file{{path: programPath, mode: 0o755, body: []byte(program)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestTheImageIsTheSameAgain(t *testing.T) {
	t.Parallel()
	r := recipe(t, CPU)
	img := small(t, r, "bcc")
	first, again, other := digest(t, img), digest(t, small(t, r, "bcc")), small(t, r, "bcc, the next")
	if first != again {
		t.Errorf("%s and, of the same files, %s", first, again)
	}
	if first == digest(t, other) {
		t.Error("another program, the same digest")
	}
	// An update of the program moves the program alone.
	old, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	next, err := other.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for i, same := range []bool{true, true, false} {
		a, _ := old[i].Digest()
		b, _ := next[i].Digest()
		if (a == b) != same {
			t.Errorf("layer %d: %s and %s", i, a, b)
		}
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.config(), cfg.Config); diff != "" {
		t.Error(diff)
	}
	if !cfg.Created.Equal(r.Created) || cfg.OS != "linux" || cfg.Architecture != r.Platform || len(cfg.History) != 3 {
		t.Errorf("%+v", cfg)
	}
}

func TestWhatIsWritten(t *testing.T) {
	t.Parallel()
	r, folder := recipe(t, CUDA), t.TempDir()
	img := small(t, r, "bcc")
	var out bytes.Buffer
	for range 2 { // over what the last run left
		out.Reset()
		if err := writeImage(r, img, []byte("{}"), folder, &out); err != nil {
			t.Fatal(err)
		}
	}
	base := filepath.Join(folder, Name+"-"+r.Version+"-cuda")
	text, err := os.ReadFile(base + ".digest")
	if err != nil || strings.TrimSpace(string(text)) != digest(t, img) || !strings.Contains(out.String(), digest(t, img)) {
		t.Errorf("digest %q, said:\n%s%v", text, &out, err)
	}
	index, err := os.ReadFile(base + ".oci/index.json")
	if err != nil || strings.Count(string(index), `"digest"`) != 1 {
		t.Errorf("%s\n%v", index, err)
	}
}

// TestPush sends an image to a registry and takes it from there.
func TestPush(t *testing.T) {
	t.Parallel()
	at := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(at.Close)
	r := recipe(t, CPU)
	img := small(t, r, "bcc")
	to := strings.TrimPrefix(at.URL, "http://") + "/lab/" + Name
	var out bytes.Buffer
	if err := push(t.Context(), r, img, to, &out); err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(to + ":" + r.Version)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	if digest(t, got) != digest(t, img) || !strings.Contains(out.String(), "@"+digest(t, img)) {
		t.Errorf("sent %s, there is %s, said %s", digest(t, img), digest(t, got), &out)
	}
	if err := push(t.Context(), r, img, "Not A Name", &out); err == nil {
		t.Error("sent to a name that is none")
	}
}

func digest(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}
