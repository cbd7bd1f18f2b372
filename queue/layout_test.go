package queue_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bcc/fault"
	"bcc/queue"
)

// The version before rows had a stream a lane.
func TestAnOlderQueueIsRemoved(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), -1)
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"BCC_ROUTINE": "bcc.jobs.routine.*", "BCC_URGENT": "someone.elses.*"} {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}, Retention: jetstream.WorkQueuePolicy}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.Publish(t.Context(), "bcc.jobs.routine.a", nil); err != nil {
		t.Fatal(err)
	}
	q := open(t, queue.Config{URL: s.ClientURL()})
	if _, err := js.Stream(t.Context(), "BCC_ROUTINE"); err == nil {
		t.Error("the older stream is still there")
	}
	if _, err := js.Stream(t.Context(), "BCC_URGENT"); err != nil {
		t.Errorf("a stream that is not ours: %v", err)
	}
	if b, err := q.Backlog(t.Context()); err != nil || b != (queue.Backlog{}) {
		t.Errorf("backlog %+v, %v", b, err)
	}
	put(t, q, "a")
	if l := take(t, q); l.ID != "a" {
		t.Errorf("took %s, want a", l.ID)
	}
}

func TestPartsVanish(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), -1)
	open(t, queue.Config{URL: s.ClientURL()})
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Duration{"BCC_URGENT_PART": queue.PartAge, "BCC_ROUTINE_PART": queue.PartAge, "BCC_URGENT_0": 0, "BCC_ROUTINE_7": 0} {
		if stream, err := js.Stream(t.Context(), name); err != nil {
			t.Error(err)
		} else if got := stream.CachedInfo().Config.MaxAge; got != want {
			t.Errorf("jobs of %s vanish after %v, want %v", name, got, want)
		}
	}
}

func TestAStreamThatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t, t.TempDir(), -1)
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "BCC_ROUTINE_3", Subjects: []string{"x"}}); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	_, err = queue.Open(t.Context(), queue.Config{URL: s.ClientURL()})
	wantFault(t, err, fault.Invalid, "BCC_ROUTINE_3")
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("refused after %v, want at once", took)
	}
}

func TestOpenWaitsForAServerThatStarts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	var log bytes.Buffer // written to by Open only, until it returns
	type opened struct {
		q   *queue.Queue
		err error
	}
	got := make(chan opened, 1)
	tried := make(chan struct{}, 100)
	go func() {
		logger := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			tried <- struct{}{}
			return log.Write(p)
		}), nil))
		q, err := queue.Open(t.Context(), queue.Config{URL: fmt.Sprintf("nats://user:secret@127.0.0.1:%d", port), Logger: logger})
		got <- opened{q, err}
	}()
	<-tried
	startServer(t, t.TempDir(), port)
	o := <-got
	if o.err != nil {
		t.Fatal(o.err)
	}
	defer o.q.Close()
	if text := log.String(); !strings.Contains(text, "queue not reached") || !strings.Contains(text, fmt.Sprint(port)) || strings.Contains(text, "secret") {
		t.Errorf("log %s", text)
	}
	put(t, o.q, "a")
	take(t, o.q)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
