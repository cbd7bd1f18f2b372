//go:build e2e

// Package image builds the container image twice, from two clones, and runs what is in
// it as a container engine would, without one: nothing of this machine is within reach.
// make e2e-image, three minutes, root.
package image

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const (
	user = 65532 // of the image; said here on its own, so that a slip there is seen
	name = "bcc-detection-*"
	long = 2 * time.Minute // more than anything but a build takes on a busy machine
)

// built is an image as make image leaves it.
type built struct {
	folder string
	img    v1.Image
	config v1.Config
}

func TestImage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a container without an engine wants root")
	}
	source := clone(t, filepath.Join(t.TempDir(), "a"))
	image := build(t, source)
	root := image.unpack(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"is whole", image.whole},
		{"lists what is in it", func(t *testing.T) { image.lists(t, root) }},
		{"is for nobody's user", func(t *testing.T) { modest(t, image, root) }},
		{"finds the same as outside", func(t *testing.T) { findsTheSame(t, image, root) }},
		{"serves", func(t *testing.T) { serves(t, image, root) }},
		{"comes out of the Dockerfile's command too", func(t *testing.T) { rootFolder(t, source, root) }},
		{"is the same to the byte elsewhere", image.again},
	} {
		t.Run(test.name, test.run)
	}
}

// clone makes a checkout of the commit here, with what make setup would fetch.
func clone(t *testing.T, to string) string {
	t.Helper()
	if changed := output(t, exec.CommandContext(t.Context(), "git", "status", "--porcelain", "--untracked-files=no")); changed != "" {
		t.Logf("what is not committed is not tried:\n%s", changed)
	}
	here, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	output(t, exec.CommandContext(t.Context(), "git", "clone", "--quiet", here, to))
	for _, dir := range []string{".deps/onnxruntime", "server/page/assets/thirdparty"} {
		if err := os.MkdirAll(filepath.Join(to, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		output(t, exec.CommandContext(t.Context(), "cp", "-a", filepath.Join(here, dir)+"/.", filepath.Join(to, dir)))
	}
	return to
}

// build builds the image of a checkout, as make image does.
func build(t *testing.T, source string, env ...string) *built {
	t.Helper()
	began := time.Now()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./deploy/image")
	cmd.Dir, cmd.Env = source, append(os.Environ(), env...)
	t.Logf("%s\nbuilt in %.0f s", output(t, cmd), time.Since(began).Seconds())
	b := &built{folder: filepath.Join(source, "out", "image")}
	path, err := layout.FromPath(b.one(t, ".oci"))
	if err != nil {
		t.Fatal(err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil || len(list.Manifests) != 1 {
		t.Fatalf("the layout has %d images, %v", len(list.Manifests), err)
	}
	if b.img, err = path.Image(list.Manifests[0].Digest); err != nil {
		t.Fatal(err)
	}
	file, err := b.img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	b.config = file.Config
	return b
}

// one returns the one file of the image that ends so.
func (b *built) one(t *testing.T, end string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(b.folder, name+end))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: found %q, %v", name+end, found, err)
	}
	return found[0]
}

// unpack lays the image's layers over each other in a folder.
func (b *built) unpack(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	files := mutate.Extract(b.img)
	defer files.Close()
	tar := exec.CommandContext(t.Context(), "tar", "-x", "-p", "--numeric-owner", "-C", root)
	tar.Stdin = files
	output(t, tar)
	return root
}

// whole: each digest and size in the layout and in the archive is that of its bytes.
func (b *built) whole(t *testing.T) {
	if err := validate.Image(b.img); err != nil {
		t.Errorf("layout: %v", err)
	}
	archive, err := tarball.ImageFromPath(b.one(t, ".tar"), nil)
	if err == nil {
		err = validate.Image(archive)
	}
	if err != nil {
		t.Fatalf("archive: %v", err)
	}
	a, err := b.img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := archive.ConfigName(); err != nil || a != c {
		t.Errorf("the archive's image is %v, the layout's %v; %v", c, a, err)
	}
}

// lists: the modules that the program says it was built of, and no library beside those
// of the list.
func (b *built) lists(t *testing.T, root string) {
	text, err := os.ReadFile(b.one(t, ".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	inside, err := os.ReadFile(filepath.Join(root, "usr/share/sbom/bcc.cdx.json"))
	if err != nil || !bytes.Equal(text, inside) {
		t.Errorf("the list beside the image is another than the one in it; %v", err)
	}
	var list struct{ Components []struct{ Purl string } }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, c := range list.Components {
		purl, _, _ := strings.Cut(c.Purl, "?")
		named[purl] = true
	}
	program, err := buildinfo.ReadFile(filepath.Join(root, "usr/bin/bcc"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range program.Deps {
		if !named["pkg:golang/"+strings.ToLower(m.Path)+"@"+strings.ReplaceAll(m.Version, "+", "%2B")] {
			t.Errorf("%s %s is in the program, not in the list", m.Path, m.Version)
		}
	}
	// dpkg's own word for whose each library is.
	err = filepath.WalkDir(filepath.Join(root, "usr/lib"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.Contains(d.Name(), ".so") || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "libonnxruntime") {
			return err
		}
		real, err := filepath.EvalSymlinks(strings.TrimPrefix(path, root))
		if err != nil {
			return err
		}
		owner, err := exec.Command("dpkg-query", "--search", "*"+filepath.Base(real)).Output()
		if err != nil {
			return fmt.Errorf("%s is of no package: %w", real, err)
		}
		pkg, _, _ := strings.Cut(string(owner), ":")
		if !slices.ContainsFunc(list.Components, func(c struct{ Purl string }) bool {
			return strings.HasPrefix(c.Purl, "pkg:deb/debian/"+strings.ReplaceAll(pkg, "+", "%2B")+"@")
		}) {
			t.Errorf("%s is of %s, which is not in the list", path, pkg)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// modest: its user owns /data and nothing else, and nothing gives more rights than that.
func modest(t *testing.T, b *built, root string) {
	if want := fmt.Sprintf("%d:%d", user, user); b.config.User != want {
		t.Errorf("user %s, want %s", b.config.User, want)
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 && (rel != "data" || uid != user) {
			t.Errorf("%s is of user %d", rel, uid)
		}
		if info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 || rel != "tmp" && d.Type() != fs.ModeSymlink && info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s has mode %v", rel, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, shell := range []string{"usr/bin/sh", "usr/bin/bash", "usr/bin/busybox"} {
		if _, err := os.Lstat(filepath.Join(root, shell)); err == nil {
			t.Errorf("there is %s in it", shell)
		}
	}
}

// output runs the command and returns what it said.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, &out, &errors)
	}
	return out.String()
}

// same fails the test where the files differ.
func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Error(err)
		return
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Error(err)
	} else if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}
