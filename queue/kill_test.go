package queue_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"bcc/queue"
)

const putterDir = "QUEUE_TEST_PUTTER"

// TestMain is the tests, or the process that TestAKilledProcessLosesNoJob kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(putterDir); dir != "" {
		if err := putForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// putForever takes one job and keeps it, then puts jobs a few at a time and says how
// many are acknowledged, until it is killed.
func putForever(dir string) error {
	ctx := context.Background()
	q, err := queue.Open(ctx, queue.Config{Dir: dir})
	if err != nil {
		return err
	}
	if err := q.Put(ctx, queue.Job{ID: "held", Lane: queue.Urgent}); err != nil {
		return err
	}
	if _, err := q.Take(ctx); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond) // the server writes who has what every tenth of a second
	for n := 0; ; {
		var jobs []queue.Job
		for range 50 {
			jobs = append(jobs, queue.Job{ID: strconv.Itoa(n), Lane: queue.Routine, Data: make([]byte, 300)})
			n++
		}
		if err := q.Put(ctx, jobs...); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func TestAKilledProcessLosesNoJob(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), putterDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if acknowledged, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
		if acknowledged == 300 { // in the middle of the next Put, with luck
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	if acknowledged < 300 {
		t.Fatalf("the process ended after %d jobs", acknowledged)
	}

	begun := time.Now()
	q := open(t, queue.Config{Dir: dir}) // its lease is half a minute
	if l := take(t, q); l.ID != "held" || l.Attempt != 2 {
		t.Errorf("took %s attempt %d, want held attempt 2", l.ID, l.Attempt)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("what the killed process held came back after %v", took)
	}
	seen := map[string]bool{}
	for b, err := q.Backlog(t.Context()); b.Routine > 0 || err != nil; b, err = q.Backlog(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for range b.Routine {
			seen[take(t, q).ID] = true
		}
	}
	for n := range acknowledged {
		if !seen[strconv.Itoa(n)] {
			t.Fatalf("job %d of %d acknowledged is lost (%d are there)", n, acknowledged, len(seen))
		}
	}
}
