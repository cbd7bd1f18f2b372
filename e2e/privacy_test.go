//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A hospital's machine: what it says to the network and what it leaves at home is what
// somebody asked for. The engine's own builds do otherwise, see native/ort/load.go.
func TestPrivacyNothingIsSentAndNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	slides := filepath.Join(dir, "slides")
	must(t, "synth", "--out", slides, "--count", "1", "--bcc", "1", "--size", "3000x3000")
	program, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"detect":          {"detect", "--out", filepath.Join(dir, "out"), slides},
		"detect-isolated": {"detect", "--isolate", "--out", filepath.Join(dir, "isolated"), slides},
		"embed":           {"embed", "--out", filepath.Join(dir, "bags"), slides},
		"resources":       {"resources", "--calibrate", "now"},
	} {
		t.Run(name, func(t *testing.T) {
			home, calls := filepath.Join(dir, "home-"+name), filepath.Join(dir, "calls-"+name)
			if err := os.Mkdir(home, 0o700); err != nil {
				t.Fatal(err)
			}
			traced, err := exec.LookPath("strace")
			cmd := exec.CommandContext(t.Context(), program, args...)
			if err == nil {
				cmd = exec.CommandContext(t.Context(), traced, append([]string{"-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", calls, program}, args...)...)
			}
			// No CI, where the engine is silent anyway.
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "TMPDIR=" + home}
			if o := finish(t, cmd); o.code != 0 {
				t.Fatalf("exit %d\n%s%s", o.code, o.out, o.err)
			}
			for _, file := range leftovers(home) {
				if rel, _ := filepath.Rel(home, file); !strings.HasPrefix(rel, "cache/bcc/") {
					t.Errorf("it left %s", rel)
				}
			}
			if traced == "" {
				t.Skip("without strace nobody watched the network")
			}
			said, err := os.ReadFile(calls)
			if err != nil {
				t.Fatal(err)
			}
			if away := regexp.MustCompile(`.*AF_INET.*`).Find(said); away != nil {
				t.Errorf("it called: %s", away)
			}
		})
	}
}
