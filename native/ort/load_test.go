package ort_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/native/ort"
)

// A process loads one library for good, so each case is a process of its own.
func TestMain(m *testing.M) {
	if paths, ok := os.LookupEnv("BCC_TEST_LOAD"); ok {
		err := ort.Load(strings.Split(paths, ":")...)
		if err == nil {
			err = ort.Load("again") // does nothing
		}
		if err == nil {
			os.Stdout.WriteString("loaded " + ort.Version())
			os.Exit(0)
		}
		os.Stdout.WriteString(fault.Of(err).String() + ": " + err.Error())
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func tryLoad(t *testing.T, paths ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "BCC_TEST_LOAD="+strings.Join(paths, ":"))
	out, err := cmd.Output()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out)
}

// See silence. The child has no CI in its environment: the engine is silent there anyway.
func TestTheEngineLeavesNoIDBehind(t *testing.T) {
	t.Parallel()
	library, err := filepath.Abs("../../.deps/onnxruntime/libonnxruntime.so.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(library); err != nil {
		t.Skip("no engine: make setup")
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{
		"BCC_TEST_LOAD=" + library, "HOME=" + home, "XDG_CACHE_HOME=" + home, "TMPDIR=" + home,
		"ORT_DISABLE_TELEMETRY=0", // somebody's own setting does not bring it back
	}
	cmd.Dir = home
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "without cgo") {
		t.Skip("this build has no cgo")
	}
	if err != nil || !strings.HasPrefix(string(out), "loaded 1.") {
		t.Fatalf("%v: %s", err, out)
	}
	left, err := os.ReadDir(home)
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v in an empty home: %v", left, err)
	}
}

func TestItSaysWhichLibrariesItTried(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("this is no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.so")
	got := tryLoad(t, missing, text, "libc.so.6", "libnothing-of-that-name.so")
	if strings.Contains(got, "without cgo") {
		t.Skip("this build has no cgo")
	}
	if !strings.HasPrefix(got, "unavailable: ") {
		t.Errorf("it says %q, want unavailable", got)
	}
	for _, want := range []string{
		ort.MinVersion, "libonnxruntime.so.1", missing + ": not found", text + ": ", "libc.so.6: it has no OrtGetApiBase", "libnothing-of-that-name.so: ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it says %q, without %q", got, want)
		}
	}
}

func TestItRefusesAnOldLibrary(t *testing.T) {
	t.Parallel()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler to make an old library with")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "old.c")
	const code = `
typedef struct { const void *(*get)(unsigned); const char *(*version)(void); } base;
static const void *get(unsigned v) { __builtin_trap(); }
static const char *version(void) { return "1.16.3"; }
static const base b = {get, version};
const base *OrtGetApiBase(void) { return &b; }`
	if err := os.WriteFile(source, []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "libonnxruntime.so.1.16.3")
	if out, err := exec.CommandContext(t.Context(), cc, "-shared", "-fPIC", "-o", old, source).CombinedOutput(); err != nil {
		t.Skipf("cc: %v\n%s", err, out)
	}
	got := tryLoad(t, old)
	if strings.Contains(got, "without cgo") {
		t.Skip("this build has no cgo")
	}
	if !strings.HasPrefix(got, "unavailable: ") || !strings.Contains(got, "it is version 1.16.3") || !strings.Contains(got, ort.MinVersion) {
		t.Errorf("it says %q, want the version found and the one wanted", got)
	}
}

func TestItGoesOnToTheNextPath(t *testing.T) {
	t.Parallel()
	load(t) // only to skip where there is none
	lib, err := filepath.Abs("../../.deps/onnxruntime/libonnxruntime.so.1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tryLoad(t, "/missing.so", lib), "loaded "+ort.Version(); got != want || ort.Version() == "" {
		t.Errorf("it says %q, want %q", got, want)
	}
}
