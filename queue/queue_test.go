package queue_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"bcc/queue"
	"bcc/queue/queuetest"
)

func TestInsideTheProcess(t *testing.T) {
	t.Parallel()
	queuetest.Exercise(t, func(t *testing.T, lease time.Duration) queuetest.Queue {
		return open(t, queue.Config{Dir: t.TempDir(), Lease: lease})
	})
}

func TestOnAServerElsewhere(t *testing.T) {
	t.Parallel()
	queuetest.Exercise(t, func(t *testing.T, lease time.Duration) queuetest.Queue {
		return open(t, queue.Config{URL: startServer(t, t.TempDir(), -1).ClientURL(), Lease: lease})
	})
}

func open(t *testing.T, cfg queue.Config) *queue.Queue {
	t.Helper()
	q, err := queue.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// startServer starts a NATS server as a laboratory would have one, on loopback.
func startServer(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	return start(t, &server.Options{StoreDir: dir, Port: port, JetStreamMaxStore: 4 << 30})
}

// startSmallServer starts one that keeps no more than so many bytes.
func startSmallServer(t *testing.T, maxBytes int64) *server.Server {
	t.Helper()
	return start(t, &server.Options{StoreDir: t.TempDir(), Port: -1, JetStreamMaxStore: maxBytes})
}

func start(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.NoLog, o.NoSigs = "127.0.0.1", true, true
	o.JetStream, o.SyncAlways, o.JetStreamMaxMemory = true, true, 64<<20
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { stopServer(s) })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}
