package cli

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
	"bcc/queue"
)

func TestWorkersJoinAQueueThatEncrypts(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	cert, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	writeCert(t, cert, key, 1)
	s := &service{data: dir, log: log, registry: prometheus.NewRegistry()}
	if err := s.openQueue(t.Context(), &serveFlags{queueListen: "127.0.0.1:-1", queueCert: cert, queueKey: key}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.queue.Close() })

	join := func(roots string) error {
		f := queueFlags{queue: "tls://" + s.queue.Addr(), patience: time.Minute, roots: roots}
		in, err := f.joining(log, nil)
		if err != nil {
			return err
		}
		q, err := queue.Open(t.Context(), in)
		if err == nil {
			err = q.Close()
		}
		return err
	}
	if err := join(cert); err != nil {
		t.Errorf("with its roots: %v", err)
	}
	if err := join(""); fault.Of(err) != fault.Unavailable || !strings.Contains(fault.HintOf(err), "--queue-ca") {
		t.Errorf("without its roots: %v; hint %q", err, fault.HintOf(err))
	}
	if err := join(key); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "--queue-ca "+key) {
		t.Errorf("with a file that holds none: %v", err)
	}
}

func TestHalfOfTheQueuesEncryptionIsRefused(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--queue-tls-cert and --queue-tls-key belong together": {"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--queue-listen", "127.0.0.1:-1", "--queue-tls-cert", "c.pem"},
		"--queue-tls-cert without --queue-listen":              {"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--queue-tls-cert", "c.pem", "--queue-tls-key", "k.pem"},
		"--queue-ca without --queue":                           {"serve", "--data", t.TempDir(), "--addr", "127.0.0.1:0", "--queue-ca", "c.pem"},
		"--queue-ca: open no-such.pem":                         {"worker", "--queue", "tls://127.0.0.1:1", "--store", t.TempDir(), "--queue-ca", "no-such.pem"},
	} {
		code, _, log := typedUntil(t.Context(), args...)
		if code == 0 || !strings.Contains(log, want) {
			t.Errorf("%q: exit %d, %s", args, code, log)
		}
	}
}
