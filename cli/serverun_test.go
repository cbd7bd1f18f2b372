package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"bcc/queue"
)

// serving is a bcc serve without workers, on a queue elsewhere: it wants no engine.
type serving struct {
	addr  string // host:port
	data  string // its folder
	queue *queue.Queue

	cancel   context.CancelFunc
	ended    chan struct{}
	code     int
	out, log bytes.Buffer // to be read after stop
}

// startServe runs bcc serve with the flags on a free port until stop, or the test,
// ends it.
func startServe(t *testing.T, flags ...string) *serving {
	t.Helper()
	q, err := queue.Open(t.Context(), queue.Config{Dir: t.TempDir(), Listen: "127.0.0.1:-1"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &serving{data: filepath.Join(dir, "data"), queue: q, ended: make(chan struct{})}
	addrFile := filepath.Join(dir, "addr")
	args := append([]string{"serve", "--addr", "127.0.0.1:0", "--addr-file", addrFile, "--data", s.data,
		"--workers", "0", "--queue", "nats://" + q.Addr()}, flags...)
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		defer close(s.ended)
		s.code = Run(ctx, args, Streams{Out: &s.out, Err: &s.log})
	}()
	t.Cleanup(func() {
		s.stop()
		q.Close()
	})
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(addrFile); err == nil {
			s.addr = strings.TrimSpace(string(text))
			return s
		}
		select {
		case <-s.ended:
			t.Fatalf("bcc serve ended with %d: %s", s.code, &s.log)
		default:
		}
	}
	t.Fatal("bcc serve wrote no address")
	return nil
}

// stop is Ctrl-C, once; it returns when the server has ended.
func (s *serving) stop() {
	s.cancel()
	<-s.ended
}

func TestItServesOverTLSWithHTTP2AndEndsCleanly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	writeCert(t, cert, key, 7)
	s := startServe(t, "--tls-cert", cert, "--tls-key", key)

	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots},
	}}
	res, err := client.Get("https://" + s.addr + "/health")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || res.TLS.PeerCertificates[0].SerialNumber.Int64() != 7 {
		t.Errorf("%s over %s: %s", res.Status, res.Proto, body)
	}
	old := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}}}
	if res, err := old.Get("https://" + s.addr + "/health"); err == nil {
		res.Body.Close()
		t.Error("TLS 1.1 was taken")
	}

	began := time.Now()
	s.stop()
	if took := time.Since(began); s.code != 0 || took > 5*time.Second {
		t.Errorf("ended with %d after %v: %s", s.code, took, &s.log)
	}
	for _, want := range []string{"serves https://" + s.addr + "/", "no worker in this process", "never seen a patient"} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &s.out)
		}
	}
}

func TestWhatFailsAtTheStartLeavesTheFolderForTheNext(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	s.stop()
	var log bytes.Buffer
	code := Run(t.Context(), []string{"serve", "--addr", "127.0.0.1:0", "--data", s.data, "--store", "s3://Bad_Name"}, Streams{Out: io.Discard, Err: &log})
	if code != 2 || !strings.Contains(log.String(), "Bad_Name") {
		t.Errorf("exit code %d: %s", code, &log)
	}
	again := startServe(t, "--data", s.data) // locks nothing that is left
	if again.stop(); again.code != 0 {
		t.Errorf("exit code %d: %s", again.code, &again.log)
	}
}

// No t.Parallel: the keys of object storage come from the environment.
func TestSlidesGoIntoABucket(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("slides"); err != nil {
		t.Fatal(err)
	}
	storage := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	defer storage.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "somebody")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
	s := startServe(t, "--store", "s3://slides/lab", "--s3-endpoint", storage.URL, "--s3-path-style")

	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewNRGBA(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(picture.Bytes()))
	res, err := http.Post("http://"+s.addr+"/slides?name=a.png", "image/png", &picture)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusCreated || !strings.Contains(string(body), digest) {
		t.Fatalf("%s: %s", res.Status, body)
	}
	if _, err := backend.HeadObject("slides", "lab/slides/"+digest); err != nil {
		t.Errorf("the slide is not in the bucket: %v", err)
	}
	s.stop()
	if all := s.out.String() + s.log.String(); s.code != 0 || !strings.Contains(all, "s3://slides/lab") || strings.Contains(all, "a-secret") {
		t.Errorf("ended with %d: %s", s.code, all)
	}
}

func TestAddressesAreTakenFromTheListsOnly(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	inside, outside := filepath.Join(root, "a.png"), filepath.Join(t.TempDir(), "b.png")
	for _, path := range []string{inside, outside} {
		if err := os.WriteFile(path, []byte("it is not opened here"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := startServe(t, "--allow-root", root)
	for address, want := range map[string]int{
		"file://" + inside:                          http.StatusCreated,
		"file://" + outside:                         http.StatusForbidden,
		"https://169.254.169.254/latest":            http.StatusForbidden,
		"http://127.0.0.1/" + filepath.Base(s.addr): http.StatusForbidden,
		"s3://bucket/key":                           http.StatusForbidden,
		"gopher://127.0.0.1/":                       http.StatusBadRequest,
	} {
		body := fmt.Sprintf(`{"slides": [{"url": %q}]}`, address)
		res, err := http.Post("http://"+s.addr+"/cohorts", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s: %s", address, res.Status, text)
		}
	}
}

func TestOnLoopbackItAnswersToItsOwnNamesOnly(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	for host, want := range map[string]int{"": http.StatusOK, "localhost:8000": http.StatusOK, "points.here.example.org": http.StatusForbidden} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.addr+"/cohorts", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("as %q: %s, want %d", host, res.Status, want)
		}
	}
}
