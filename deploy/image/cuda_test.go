package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/fault"
)

// wanting is a program that needs a library of that name, nine letters long, where
// Debian's has libc.so.6.
func wanting(t *testing.T, name string) string {
	t.Helper()
	program, err := os.ReadFile("/usr/bin/dpkg-query")
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(changed, bytes.ReplaceAll(program, []byte("libc.so.6\x00"), []byte(name+"\x00")), 0o755); err != nil {
		t.Fatal(err)
	}
	return changed
}

// TestNVIDIAsLibraries: mounted where no folder has them; else taken in, those too that
// nothing names as needed.
func TestNVIDIAsLibraries(t *testing.T) {
	t.Parallel()
	triplet := onDebian(t)
	if _, err := os.Stat("/usr/share/doc/ca-certificates/copyright"); err != nil {
		t.Skip("Debian's ca-certificates are not installed")
	}
	program := wanting(t, "libcu.so.")
	r := recipe(t, CUDA)

	mounted := &Root{}
	if err := mounted.system(t.Context(), r, program, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"libcu.so.", cuDNN}; !slices.Equal(mounted.Missing, want) {
		t.Errorf("to be mounted: %q, want %q", mounted.Missing, want)
	}
	if got := inFolder(mounted); len(got) > 0 {
		t.Errorf("without a folder there are %q", got)
	}

	cuda, cudnn := t.TempDir(), t.TempDir()
	libm, err := os.ReadFile("/usr/lib/" + triplet + "/libm.so.6")
	if err != nil {
		t.Fatal(err)
	}
	write := func(folder, name, link string) {
		if err := os.WriteFile(filepath.Join(folder, name), libm, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	write(cuda, "libcu.so.13.0.1", "libcu.so.")
	write(cuda, "libnvrtc-builtins.so.13.0.88", "libnvrtc-builtins.so.13.0")
	whole := &Root{}
	if err := whole.system(t.Context(), r, program, []string{cuda, cudnn}); fault.Of(err) != fault.NotFound || !strings.Contains(err.Error(), cuDNN) {
		t.Errorf("without cuDNN: %v", err)
	}
	write(cudnn, "libcudnn.so.9.5.1", cuDNN)
	write(cudnn, "libcudnn_ops.so.9.5.1", "libcudnn_ops.so.9")
	if err := whole.system(t.Context(), r, program, []string{cuda, cudnn}); err != nil {
		t.Fatal(err)
	}
	got := inFolder(whole)
	for _, want := range []string{"libcu.so.", cuDNN, "libcudnn_ops.so.9", "libnvrtc-builtins.so.13.0"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %q", want, got)
		}
	}
	if len(whole.NVIDIA) < 4 {
		t.Errorf("to be listed: %v", whole.NVIDIA)
	}
	if len(whole.Missing) > 0 {
		t.Errorf("still missing: %q", whole.Missing)
	}

	// What is not NVIDIA's is not left to those who run it.
	if err := (&Root{}).system(t.Context(), r, wanting(t, "libx.so.6"), nil); fault.Of(err) != fault.NotFound {
		t.Errorf("a library that is nowhere: %v", err)
	}
}

// inFolder returns the names of the files in CUDA's folder.
func inFolder(root *Root) []string {
	var all []string
	for _, f := range root.System {
		if "/"+filepath.Dir(f.path) == cudaFolder {
			all = append(all, filepath.Base(f.path))
		}
	}
	return all
}
