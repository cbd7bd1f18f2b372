package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
	"bcc/queue"
)

func routine(ids ...string) []queue.Job {
	var jobs []queue.Job
	for _, id := range ids {
		jobs = append(jobs, queue.Job{ID: id, Lane: queue.Routine, Data: []byte(id)})
	}
	return jobs
}

func put(t *testing.T, q *queue.Queue, ids ...string) {
	t.Helper()
	if err := q.Put(t.Context(), routine(ids...)...); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, q *queue.Queue) *queue.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	l, err := q.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wantFault(t *testing.T, err error, kind fault.Kind, in string) {
	t.Helper()
	if err == nil || fault.Of(err) != kind || !strings.Contains(err.Error(), in) || fault.HintOf(err) == "" {
		t.Fatalf("%v (hint %q), want kind %v with %q and a hint", err, fault.HintOf(err), kind, in)
	}
}

func TestAFolderIsForOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, queue.Config{Dir: dir})
	_, err := queue.Open(t.Context(), queue.Config{Dir: dir})
	wantFault(t, err, fault.Busy, dir)
	put(t, first, "a")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if l := take(t, open(t, queue.Config{Dir: dir})); l.ID != "a" {
		t.Errorf("took %s, want a", l.ID)
	}
}

func TestAFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		_, err := queue.Open(t.Context(), queue.Config{Dir: dir})
		wantFault(t, err, fault.Unavailable, file)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := queue.Open(t.Context(), queue.Config{Dir: dir})
	wantFault(t, err, fault.Unavailable, "not a directory")
}

// TestADamagedFolder breaks what lies on the disk; no job may be lost in silence.
func TestADamagedFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, pattern string
		spoil         func(path string) error
		corrupt       bool
		left          int // jobs, where it opens
	}{
		{"its description", "BCC_ROUTINE_0/meta.inf", overwrite, true, 0},
		{"its description's checksum", "BCC_ROUTINE_0/meta.sum", os.Remove, true, 0},
		{"an empty lane's description", "BCC_URGENT_0/meta.inf", overwrite, false, 3},
		{"its consumer", "BCC_ROUTINE_0/obs/workers/meta.inf", overwrite, false, 3},
		{"its consumer's state", "BCC_ROUTINE_0/obs/workers/o.dat", overwrite, true, 0},
		{"its index", "BCC_ROUTINE_0/msgs/index.db", overwrite, false, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			q := open(t, queue.Config{Dir: dir, Lease: 200 * time.Millisecond})
			put(t, q, "a", "b", "c")
			take(t, q) // so that the consumer has a state
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "jetstream", "$G", "streams", c.pattern)
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			if c.corrupt {
				_, err := queue.Open(t.Context(), queue.Config{Dir: dir})
				wantFault(t, err, fault.Corrupt, dir)
				return
			}
			q = open(t, queue.Config{Dir: dir, Lease: 5 * time.Second})
			seen := map[string]bool{}
			for range c.left {
				l := take(t, q)
				seen[l.ID] = true
				if err := l.Done(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if len(seen) != c.left {
				t.Errorf("%v were there, want %d", seen, c.left)
			}
		})
	}
}

func overwrite(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes.Repeat([]byte("x"), len(data)), 0o600)
}

// The server drops a damaged job and those after it in its block, and does not tell:
// whoever has the truth puts again what is not done.
func TestAfterDamageTheSameJobsCanBePutAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ids := []string{"aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"}
	q := open(t, queue.Config{Dir: dir})
	put(t, q, ids...)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	msgs := filepath.Join(dir, "jetstream", "$G", "streams", "BCC_ROUTINE_0", "msgs")
	data, err := os.ReadFile(filepath.Join(msgs, "1.blk"))
	if err != nil {
		t.Fatal(err)
	}
	copy(data[bytes.LastIndex(data, []byte(ids[1])):], "XXXX")
	if err := os.WriteFile(filepath.Join(msgs, "1.blk"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(msgs, "index.db")); err != nil { // as after a crash
		t.Fatal(err)
	}
	q = open(t, queue.Config{Dir: dir})
	put(t, q, ids...)
	seen := map[string]bool{}
	for range ids {
		seen[take(t, q).ID] = true
	}
	if len(seen) != len(ids) {
		t.Errorf("%v are there, want all of %v", seen, ids)
	}
}

func TestHandBacksAreRemembered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	q := open(t, queue.Config{Dir: dir})
	put(t, q, "a")
	for range 2 {
		if err := take(t, q).Return(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l := take(t, q)
	if err := errors.Join(l.Return(t.Context()), q.Close()); err != nil {
		t.Fatal(err)
	}
	if l := take(t, open(t, queue.Config{Dir: dir})); l.Attempt != 1 {
		t.Errorf("attempt %d, want 1", l.Attempt)
	}
}

func TestNobodyIsThere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // takes connections, says nothing
	for name, host := range map[string]string{"refuses": "127.0.0.1:1", "silent": l.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			_, err := queue.Open(t.Context(), queue.Config{URL: "nats://user:secret@" + host, Patience: 100 * time.Millisecond})
			wantFault(t, err, fault.Unavailable, host)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the password stands in %q", err)
			}
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestTheServerGoesAndComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startServer(t, dir, -1)
	_, port, _ := net.SplitHostPort(s.Addr().String())
	q := open(t, queue.Config{URL: s.ClientURL()})
	heard := make(chan string, 100)
	if _, err := q.Listen("x", func(_ string, data []byte) { heard <- string(data) }); err != nil {
		t.Fatal(err)
	}
	put(t, q, "a", "b")
	held := take(t, q)

	stopServer(s)
	begun := time.Now()
	for what, err := range map[string]error{
		"put":     q.Put(t.Context(), routine("c")...),
		"backlog": func() error { _, err := q.Backlog(t.Context()); return err }(),
		"tell":    q.Tell("x", nil),
		"beat":    held.Beat(t.Context()),
		"done":    held.Done(t.Context()),
	} {
		if err == nil || fault.Of(err) != fault.Unavailable {
			t.Errorf("%s: %v, want unavailable", what, err)
		}
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("five refusals took %v", took)
	}
	taken := make(chan *queue.Lease, 1)
	go func() {
		for {
			l, err := q.Take(t.Context())
			if err == nil || t.Context().Err() != nil {
				taken <- l
				return
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)

	var p int
	fmt.Sscan(port, &p)
	startServer(t, dir, p)
	if l := <-taken; l == nil || l.ID != "b" {
		t.Errorf("took %v, want b", l)
	}
	if err := held.Done(t.Context()); err != nil {
		t.Error(err)
	}
	put(t, q, "c")
	if err := q.Tell("x", []byte("back")); err != nil {
		t.Error(err)
	}
	select {
	case got := <-heard:
		if got != "back" {
			t.Errorf("heard %q", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("the listener was forgotten")
	}
}

func TestOthersJoinTheQueueOfThisProcess(t *testing.T) {
	t.Parallel()
	here := open(t, queue.Config{Dir: t.TempDir(), Listen: "127.0.0.1:-1", Token: "open-sesame"})
	if _, err := queue.Open(t.Context(), queue.Config{URL: "nats://wrong@" + here.Addr()}); fault.Of(err) != fault.Unavailable {
		t.Fatalf("%v, want that a wrong token is refused", err)
	}
	there := open(t, queue.Config{URL: "nats://open-sesame@" + here.Addr()})
	got := make(chan time.Time, 1)
	go func() {
		if l, err := there.Take(t.Context()); err == nil {
			got <- time.Now()
			l.Done(t.Context())
		}
	}()
	time.Sleep(900 * time.Millisecond) // it rests for a second now
	begun := time.Now()
	put(t, here, "a")
	if took := (<-got).Sub(begun); took > 500*time.Millisecond {
		t.Errorf("the taker elsewhere woke after %v", took)
	}
	heard := make(chan string, 1)
	if _, err := there.Listen("x", func(_ string, data []byte) { heard <- string(data) }); err != nil {
		t.Fatal(err)
	}
	if err := here.Tell("x", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if s := <-heard; s != "1" {
		t.Errorf("heard %q", s)
	}
	if open(t, queue.Config{Dir: t.TempDir()}).Addr() != "" {
		t.Error("a queue listens that was not told to")
	}
}

func TestAFullQueueSaysSo(t *testing.T) {
	t.Parallel()
	q := open(t, queue.Config{URL: startSmallServer(t, 2<<20).ClientURL()})
	data := make([]byte, 900<<10)
	var err error
	for i := 0; i < 5 && err == nil; i++ {
		err = q.Put(t.Context(), queue.Job{ID: fmt.Sprint("j", i), Lane: queue.Routine, Data: data})
	}
	wantFault(t, err, fault.Busy, "put job")
	if err := take(t, q).Done(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.Put(t.Context(), queue.Job{ID: "after", Lane: queue.Routine, Data: data}); err != nil {
		t.Errorf("there is room again, but: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	q := open(t, queue.Config{Dir: t.TempDir(), Registerer: r})
	put(t, q, "a", "b", "b")
	if err := take(t, q).Again(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	take(t, q)
	if diff := cmp.Diff(map[string]float64{
		"bcc_queue_jobs_leased routine":  1,
		"bcc_queue_jobs_waiting routine": 1,
		"bcc_queue_leases_lost_total":    0,
		"bcc_queue_put_total routine":    2,
		"bcc_queue_redelivered_total":    1,
		"bcc_queue_taken_total routine":  2,
		"bcc_queue_wait_seconds routine": 1, // and not of the one that was handed back
	}, gather(t, r), ignoreOtherLanes); diff != "" {
		t.Error(diff)
	}
	if _, err := queue.Open(t.Context(), queue.Config{Dir: t.TempDir(), Registerer: r}); fault.Of(err) != fault.Invalid {
		t.Errorf("%v, want that two queues in one registry are refused", err)
	}
	q.Close()
	if left := gather(t, r); len(left) != 0 {
		t.Errorf("metrics of a closed queue: %v", left)
	}
}

// ignoreOtherLanes leaves out what is 0 in the lanes that this file does not use.
var ignoreOtherLanes = cmpopts.IgnoreMapEntries(func(name string, n float64) bool {
	return n == 0 && (strings.Contains(name, "urgent") || strings.HasSuffix(name, "-part"))
})

// gather returns metrics by their names and labels' values.
func gather(t *testing.T, r prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			all[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  queue.Config
		good bool
	}{
		{queue.Config{}, false},
		{queue.Config{Dir: "d"}, true},
		{queue.Config{Dir: "d", URL: "nats://h:1"}, false},
		{queue.Config{URL: "nats://h:1"}, true},
		{queue.Config{URL: "nats://u:p@h:1,tls://h2:1"}, true},
		{queue.Config{URL: "h:1"}, false},
		{queue.Config{URL: "http://h:1"}, false},
		{queue.Config{Dir: "d", Lease: time.Millisecond}, false},
		{queue.Config{Dir: "d", Lease: -1}, false},
		{queue.Config{Dir: "d", Replicas: 6}, false},
		{queue.Config{Dir: "d", Listen: "127.0.0.1:4222"}, true},
		{queue.Config{Dir: "d", Listen: "0.0.0.0:4222"}, false},
		{queue.Config{Dir: "d", Listen: ":4222"}, false},
		{queue.Config{Dir: "d", Listen: "0.0.0.0:4222", Token: "t"}, true},
		{queue.Config{Dir: "d", Listen: "4222"}, false},
		{queue.Config{URL: "nats://h:1", Listen: "127.0.0.1:4222"}, false},
	} {
		if err := c.cfg.Validate(); (err == nil) != c.good || err != nil && fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}
