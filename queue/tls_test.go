package queue_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bcc/fault"
	"bcc/queue"
)

// pair returns a certificate for 127.0.0.1 and who vouches for it.
func pair(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates, MinVersion: tls.VersionTLS12}, roots
}

func TestWhatOthersJoinByIsEncrypted(t *testing.T) {
	t.Parallel()
	secure, roots := pair(t)
	here := open(t, queue.Config{Dir: t.TempDir(), Listen: "127.0.0.1:-1", Token: "open-sesame", TLS: secure})
	for _, scheme := range []string{"tls", "nats"} {
		there := open(t, queue.Config{URL: scheme + "://" + here.Addr(), Token: "open-sesame", Roots: roots})
		if err := there.Ready(); err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
	}

	strangers := x509.NewCertPool()
	for name, c := range map[string]struct {
		cfg  queue.Config
		hint string
	}{
		"roots of somebody else": {queue.Config{URL: "tls://" + here.Addr(), Roots: strangers}, "roots"},
		"this computer's roots":  {queue.Config{URL: "tls://" + here.Addr()}, "roots"},
		"without roots":          {queue.Config{URL: "nats://" + here.Addr()}, "roots"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cfg.Token, c.cfg.Patience = "open-sesame", time.Minute // not waited for: this does not pass by itself
			begun := time.Now()
			q, err := queue.Open(t.Context(), c.cfg)
			if err == nil {
				_ = q.Close()
				t.Fatal("joined")
			}
			if fault.Of(err) != fault.Unavailable || !strings.Contains(fault.HintOf(err), c.hint) || time.Since(begun) > 30*time.Second {
				t.Errorf("%v; hint %q after %v", err, fault.HintOf(err), time.Since(begun))
			}
		})
	}
}

func TestRootsForAQueueThatDoesNotEncrypt(t *testing.T) {
	t.Parallel()
	_, roots := pair(t)
	here := open(t, queue.Config{Dir: t.TempDir(), Listen: "127.0.0.1:-1", Token: "open-sesame"})
	_, err := queue.Open(t.Context(), queue.Config{URL: "nats://" + here.Addr(), Token: "open-sesame", Roots: roots, Patience: time.Minute})
	if err == nil || !strings.Contains(fault.HintOf(err), "encrypt") {
		t.Errorf("%v; hint %q: want that it does not encrypt", err, fault.HintOf(err))
	}
}
