//go:build e2e

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// diary keeps what happened, with times, in the folder of a run, where also the logs
// of all processes lie.
type diary struct {
	dir   string
	begun time.Time
	mu    sync.Mutex
	file  *os.File
}

// open makes the folder of a run. It stays where the test fails.
func open(t *testing.T) *diary {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("BCC_CHAOS_DIR"), "bcc-chaos-*")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "diary.log"))
	if err != nil {
		t.Fatal(err)
	}
	d := &diary{dir: dir, begun: time.Now(), file: file}
	t.Cleanup(func() {
		file.Close()
		if t.Failed() || os.Getenv("BCC_CHAOS_KEEP") != "" {
			t.Logf("everything lies in %s: diary.log first", dir)
			return
		}
		os.RemoveAll(dir)
	})
	return d
}

// note writes a line, to the terminal too.
func (d *diary) note(format string, args ...any) {
	line := fmt.Sprintf("%8.2f %s\n", time.Since(d.begun).Seconds(), fmt.Sprintf(format, args...))
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Print(line)
	_, _ = d.file.WriteString(time.Now().UTC().Format("15:04:05.000 ") + line)
}

// path returns a path in the folder, whose own folder it makes.
func (d *diary) path(parts ...string) string {
	p := filepath.Join(append([]string{d.dir}, parts...)...)
	_ = os.MkdirAll(filepath.Dir(p), 0o755) // whoever writes there says so
	return p
}
