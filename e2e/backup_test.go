//go:build e2e

package e2e

import (
	"bytes"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The commands of docs/backup.md, as they stand there: a backup taken while a cohort is
// in work, restored into another folder, goes on to the same answers, for the same keys.
func TestABackupComesBack(t *testing.T) {
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skip("tar is not installed")
	}
	dir := t.TempDir()
	paths := strings.NewReplacer("/srv/bcc", filepath.Join(dir, "bcc"), "/srv/restored", filepath.Join(dir, "restored"),
		"bcc.tar", filepath.Join(dir, "bcc.tar"), "bin/bcc", binary)
	scripts := shellBlocks(t, "../docs/backup.md")
	if len(scripts) != 2 {
		t.Fatalf("docs/backup.md has %d blocks of commands, not one to back up and one to restore", len(scripts))
	}
	backup := paths.Replace(scripts[0])
	restore, serve, ok := strings.Cut(paths.Replace(scripts[1]), binary+" serve")
	if !ok {
		t.Fatal("the commands to restore do not end with bcc serve")
	}

	slides := filepath.Join(dir, "slides")
	must(t, "synth", "--out", slides, "--count", "8", "--seed", "11", "--size", "4000x3000")
	data := filepath.Join(dir, "bcc")
	t.Setenv("BCC_KEY", strings.TrimSpace(must(t, "serve", "keys", "make", "--data", data, "--name", "backup").out))

	before, base := serveAt(t, "--data", data)
	id := strings.TrimSpace(must(t, "submit", "--server", base, "--overlap", "0.75", slides).out)
	for end := time.Now().Add(2 * time.Minute); doneOf(t, base, id) < 2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("two slides are not done within two minutes")
		}
	}
	shell(t, backup, 0, 1) // 1: a file changed or went away meanwhile
	must(t, "status", "--wait", "--server", base, id)
	want := answersOf(t, base, id)
	before.end(t, syscall.SIGTERM)

	said := shell(t, restore, 0)
	if strings.Contains(said, "\n0 slides are on the queue") || !strings.Contains(said, "slides are on the queue") {
		t.Errorf("the backup was taken in the middle of a cohort, and nothing of it waits: %s", said)
	}
	_, base = serveAt(t, strings.Fields(serve)...)
	must(t, "status", "--wait", "--server", base, id)
	if got := answersOf(t, base, id); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("answers\n%v\nwere\n%v", got, want)
	}
	sameResults(t, filepath.Join(data, "store", "results"), filepath.Join(dir, "restored", "store", "results"))
}

// serveAt starts a server on a free port and returns where it is.
func serveAt(t *testing.T, args ...string) (*part, string) {
	t.Helper()
	at := filepath.Join(t.TempDir(), "at")
	p := begin(t, append([]string{"serve", "--port", "0", "--addr-file", at, "--calibrate", "off"}, args...)...)
	p.says(t, "Research use only")
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return p, "http://" + strings.TrimSpace(string(b))
}

func doneOf(t *testing.T, base, id string) int {
	t.Helper()
	return (&fleet{base: base}).status(t, id).Counts["done"]
}

// answersOf is the cohort's table without how long each slide took.
func answersOf(t *testing.T, base, id string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(must(t, "status", "--csv", "--server", base, id).out)).ReadAll()
	if err != nil || len(rows) != 9 {
		t.Fatalf("%v: %d rows", err, len(rows))
	}
	took := slices.Index(rows[0], "took_s")
	for i := range rows {
		rows[i] = slices.Delete(rows[i], took, took+1)
	}
	return rows
}

// sameResults wants the same files with the same bytes, but for times and sums over them.
func sameResults(t *testing.T, was, is string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(was, "*", "*"))
	if err != nil || len(files) < 8*5 {
		t.Fatalf("%v: %d files of results", err, len(files))
	}
	for _, file := range files {
		name, _ := filepath.Rel(was, file)
		a, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(is, name))
		switch base := filepath.Base(name); {
		case err != nil:
			t.Error(err)
		case base != "timing.json" && base != "sums.json" && !bytes.Equal(a, b):
			t.Errorf("%s is not as it was", name)
		}
	}
}

// shellBlocks returns the fenced blocks of shell commands of a document.
func shellBlocks(t *testing.T, path string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(text), "```") {
		if script, ok := strings.CutPrefix(part, "sh\n"); ok && i%2 == 1 {
			blocks = append(blocks, script)
		}
	}
	return blocks
}

// shell runs commands one by one, each of which may end with one of the codes.
func shell(t *testing.T, script string, codes ...int) (said string) {
	t.Helper()
	for command := range strings.Lines(script) {
		o := finish(t, exec.CommandContext(t.Context(), "bash", "-c", command))
		if !slices.Contains(codes, o.code) {
			t.Fatalf("%s: exit %d\n%s%s", command, o.code, o.out, o.err)
		}
		said += o.out + o.err
	}
	return said
}
