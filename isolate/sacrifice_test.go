//go:build linux

package isolate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/slide"
	"bcc/wsi"
)

func TestTheKernelEndsADecoderBeforeWhoAsksIt(t *testing.T) {
	t.Parallel()
	if _, err := os.ReadFile("/proc/self/oom_score_adj"); err != nil {
		t.Skipf("this system has no such order: %v", err)
	}
	p := newPool(t, config())
	b := picture(200, 100)
	s, err := p.Open(t.Context(), asFile(t, b), int64(len(b)), slide.Config{MPP: wsi.MPP{X: 1, Y: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(lists) == 0 {
		t.Skip("this system does not list children")
	}
	first := 0
	for _, list := range lists {
		pids, _ := os.ReadFile(list)
		for pid := range strings.FieldsSeq(string(pids)) {
			score, _ := os.ReadFile("/proc/" + pid + "/oom_score_adj")
			if strings.TrimSpace(string(score)) == "1000" {
				first++
			}
		}
	}
	if first == 0 {
		t.Error("no child would be ended first")
	}
}
