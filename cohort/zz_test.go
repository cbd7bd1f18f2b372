package cohort_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bcc/disk/powertest"
	"bcc/queue"
)

func TestZZ(t *testing.T) {
	dir := filepath.Join(powertest.Memory(t), "whole")
	m, err := start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	day(t, m, func() int { return 0 })
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"flip", "cut"} {
		for off := 0; off < 60; off++ {
			for _, blk := range []string{"1", "2"} {
				harmed := filepath.Join(powertest.Memory(t), "harmed")
				if err := os.CopyFS(harmed, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				p := filepath.Join(harmed, "queue/jetstream/$G/streams/BCC_ROUTINE_1/msgs", blk+".blk")
				data, err := os.ReadFile(p)
				if err != nil || len(data) == 0 {
					continue
				}
				at := off * len(data) / 60
				if mode == "flip" {
					data[at] ^= 4
				} else {
					data = data[:at]
				}
				os.WriteFile(p, data, 0o600)
				q, err := queue.Open(t.Context(), queue.Config{Dir: filepath.Join(harmed, "queue"), Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelWarn}))})
				if err != nil {
					t.Log(mode, blk, at, len(data), err)
					continue
				}
				b, _ := q.Backlog(t.Context())
				time.Sleep(10 * time.Millisecond)
				n := 0
				for {
					ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
					l, err := q.Take(ctx)
					cancel()
					if err != nil || l == nil {
						break
					}
					n++
				}
				b2, _ := q.Backlog(t.Context())
				t.Log(mode, blk, at, len(data), b, n, b2)
				q.Close()
			}
		}
	}
}
