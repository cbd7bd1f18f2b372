//go:build e2e

package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// findsTheSame draws slides and detects on them in a box, and once more with the same
// program outside: all that they write is the same to the byte, but how long it took.
func findsTheSame(t *testing.T, image *built, root string) {
	b := newBox(t, root, image.config)
	version := output(t, b.command(t, "version"))
	t.Logf("%s", version)
	if !strings.Contains(version, "ONNX Runtime") {
		t.Error("the engine is not found")
	}
	outside := t.TempDir()
	for _, variant := range []string{"pyramid", "svs"} {
		args := []string{"synth", "--bcc", "1", "--seed", "7", "--size", "3000x2500", "--variant", variant, "--out", "slides/" + variant}
		output(t, b.command(t, args...))
		here(t, root, outside, args...)
	}
	detect := []string{"detect", "--out", "results", "slides/pyramid", "slides/svs"}
	t.Logf("%s", output(t, b.command(t, detect...)))
	here(t, root, outside, detect...)

	var compared int
	err := filepath.WalkDir(outside, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "timing.json" || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		rel, err := filepath.Rel(outside, path)
		if err != nil {
			return err
		}
		same(t, path, filepath.Join(b.Data, rel))
		compared++
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	results, err := filepath.Glob(filepath.Join(b.Data, "results", "*", "result.json"))
	if err != nil || len(results) != 2 {
		t.Errorf("results of %d slides, want 2; %v", len(results), err)
	}
	t.Logf("%d files are the same", compared)
}

// here runs the image's program on this machine, without a box.
func here(t *testing.T, root, folder string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "usr/bin/bcc"), args...)
	cmd.Dir = folder
	output(t, cmd)
}

// serves starts the box as docker run does, without a word: the server in it, which its
// own health check finds ready; a slide is sent, and its result is there.
func serves(t *testing.T, image *built, root string) {
	b := newBox(t, root, image.config)
	// Without a key it does not open to others, and its health check says no.
	refused := b.command(t)
	if out, err := refused.CombinedOutput(); err == nil || !strings.Contains(string(out), "keys make") {
		t.Errorf("without a key: %v\n%s", err, out)
	}
	var key struct{ Token string }
	if err := json.Unmarshal([]byte(output(t, b.command(t, "serve", "keys", "make", "--name", "test", "--json"))), &key); err != nil || key.Token == "" {
		t.Fatalf("the key: %v", err)
	}

	serve := b.command(t)
	var log bytes.Buffer
	serve.Stdout, serve.Stderr = &log, &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- serve.Wait() }()

	check := image.config.Healthcheck.Test
	if check[0] != "CMD" {
		t.Fatalf("health check %q", check)
	}
	began := time.Now()
	for {
		said, err := b.beside(t, serve, nil, check[1:]...).CombinedOutput()
		if err == nil {
			break
		}
		select {
		case err := <-stopped:
			t.Fatalf("the server ended: %v\n%s", err, &log)
		case <-time.After(200 * time.Millisecond):
		}
		if time.Since(began) > long {
			t.Fatalf("not healthy: %v: %s\n%s", err, said, &log)
		}
	}
	t.Logf("healthy after %.1f s", time.Since(began).Seconds())

	output(t, b.command(t, "synth", "--bcc", "1", "--seed", "7", "--size", "3000x2500", "--out", "slides"))
	with := []string{"BCC_KEY=" + key.Token}
	id := strings.TrimSpace(output(t, b.beside(t, serve, with, "/usr/bin/bcc", "submit", "slides/synth-00000.tif")))
	t.Logf("%s", output(t, b.beside(t, serve, with, "/usr/bin/bcc", "status", "--wait", id)))
	answers := output(t, b.beside(t, serve, with, "/usr/bin/bcc", "status", "--csv", id))
	if want := outsideSays(t, root, filepath.Join(b.Data, "slides", "synth-00000.tif")); !strings.Contains(answers, want) {
		t.Errorf("answers:\n%s\noutside it says %s", answers, want)
	}
	confined(t, serve.Process.Pid)

	if err := serve.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("the server ended: %v\n%s", err, &log)
		}
	case <-time.After(long):
		serve.Process.Kill()
		t.Errorf("the server does not end\n%s", &log)
	}
	if out, err := b.command(t, "health").CombinedOutput(); err == nil {
		t.Errorf("health of a server that is not there: %s", out)
	}
}

// outsideSays is the answer of bcc detect on this machine, as bcc status --csv has it.
func outsideSays(t *testing.T, root, slide string) string {
	t.Helper()
	folder := t.TempDir()
	here(t, root, folder, "detect", "--out", "results", slide)
	text, err := os.ReadFile(filepath.Join(folder, "results", filepath.Base(slide), "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Prediction string
		Score      float64
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("done,%s,%v,", r.Prediction, r.Score)
}

// confined: the kernel's own word for what the process may do and see.
func confined(t *testing.T, pid int) {
	t.Helper()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	status := read("status")
	for _, want := range []string{"Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(status, want+"\n") {
			t.Errorf("not %q:\n%s", want, status)
		}
	}
	var at []string
	for line := range strings.Lines(read("mountinfo")) {
		fields := strings.Fields(line)
		at = append(at, fields[4])
		if fields[4] == "/" && !slices.Contains(strings.Split(fields[5], ","), "ro") {
			t.Errorf("its root is not read-only: %s", line)
		}
	}
	slices.Sort(at)
	if want := []string{"/", "/data", "/dev", "/proc", "/tmp"}; !slices.Equal(at, want) {
		t.Errorf("mounted are %q, want %q", at, want)
	}
	var interfaces []string // two lines of headings, then one each
	for line := range strings.Lines(read("net/dev")) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			interfaces = append(interfaces, strings.TrimSpace(name))
		}
	}
	if !slices.Equal(interfaces, []string{"lo"}) {
		t.Errorf("interfaces are %q", interfaces)
	}
}

// rootFolder: what the Dockerfile copies is what make image packs: names, bytes, modes,
// owners. Only the times are those of the build.
func rootFolder(t *testing.T, source, root string) {
	folder := filepath.Join(t.TempDir(), "image")
	cmd := exec.CommandContext(t.Context(), "go", "run", "./deploy/image", "--root", folder)
	cmd.Dir = source
	output(t, cmd)
	list := func(root string) string {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `find . -mindepth 1 -printf '%P %y %m %U %G %l\n' | sort && find . -type f -exec sha256sum {} + | sort`)
		cmd.Dir = root
		return output(t, cmd)
	}
	if a, b := list(root), list(folder); a != b {
		t.Errorf("the image:\n%s\n--root:\n%s", a, b)
	}
}

// again builds the image from another clone, in another folder, with nothing of the
// first build at hand: another cache, home, time zone and umask.
func (b *built) again(t *testing.T) {
	at := filepath.Join(t.TempDir(), "some", "where", "else")
	source := clone(t, at)
	home := t.TempDir()
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	twin := build(t, source, "GOCACHE="+filepath.Join(home, "cache"), "GOMODCACHE="+strings.TrimSpace(output(t, exec.Command("go", "env", "GOMODCACHE"))),
		"GOFLAGS=-p=2", "HOME="+home, "TZ=Pacific/Auckland", "LANG=C")
	for _, end := range []string{".digest", ".cdx.json", ".tar"} {
		same(t, b.one(t, end), twin.one(t, end))
	}
}
