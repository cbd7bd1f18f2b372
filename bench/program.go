package bench

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"bcc/fault"
)

// ran is what a program took that ran to its end.
type ran struct {
	out    []byte
	took   time.Duration
	memory int64   // largest of it and its children, bytes; looked at ten times a second
	cpu    float64 // seconds, with its children
}

// runProgram runs a program to its end. What it says of itself when it fails is the error.
func runProgram(ctx context.Context, env []string, program string, args ...string) (ran, error) {
	var out, words bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = env, &out, &words, 5*time.Second
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return ran{}, fault.New(fault.Unavailable, "start %s: %w", program, err)
	}
	var most atomic.Int64
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			most.Store(max(most.Load(), treeMemory(cmd.Process.Pid)))
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	}()
	err := cmd.Wait()
	took := time.Since(begun)
	close(ended)
	<-watched
	if ctx.Err() != nil {
		return ran{}, context.Cause(ctx)
	}
	if err != nil {
		said := strings.Split(strings.TrimSpace(words.String()), "\n")
		return ran{}, fault.New(fault.Unavailable, "%s: %w: %s", program, err, strings.Join(said[max(len(said)-2, 0):], "; "))
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return ran{out: out.Bytes(), took: took, memory: most.Load(), cpu: cpu.Seconds()}, nil
}
