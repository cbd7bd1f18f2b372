//go:build e2e

// Package kube drives autoscale/kube, and what lies in deploy/kubernetes, against a real
// API server, its controllers and etcd. There is no machine in this cluster: the test
// is its scheduler and its kubelet (kubelet_test.go).
package kube

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const namespace = "bcc"

// plane is a control plane of its own.
type plane struct {
	dir, bin string
	url      string // of the API server
	config   string // kubeconfig of somebody who may do everything
	http     *http.Client
	lost     chan string // a program that ended by itself
}

// startPlane starts one; it ends with the test.
func startPlane(t *testing.T) *plane {
	t.Helper()
	bin := os.Getenv("BCC_KUBE_BIN")
	if bin == "" {
		t.Skip("make e2e-kube builds the control plane")
	}
	p := &plane{dir: t.TempDir(), bin: bin, lost: make(chan string, 3)}
	p.keys(t)
	p.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 32}}
	etcd, peer, api := freePort(t), freePort(t), freePort(t)
	p.url = "https://" + api
	p.config = p.kubeconfig(t, "admin", p.url, "admin-token")
	p.start(t, "etcd", "--data-dir", filepath.Join(p.dir, "etcd"), "--listen-client-urls", "http://"+etcd, "--advertise-client-urls", "http://"+etcd,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "default=http://"+peer, "--unsafe-no-fsync", "--log-level", "error")
	host, port, _ := net.SplitHostPort(api)
	key, public := filepath.Join(p.dir, "sa.key"), filepath.Join(p.dir, "sa.pub")
	p.start(t, "kube-apiserver", "--etcd-servers", "http://"+etcd, "--bind-address", host, "--secure-port", port, "--cert-dir", filepath.Join(p.dir, "certs"),
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-signing-key-file", key, "--service-account-key-file", public,
		"--token-auth-file", filepath.Join(p.dir, "tokens"), "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24",
		"--endpoint-reconciler-type", "none", "--advertise-address", "10.0.0.1", // it finds itself nowhere
		"--disable-admission-plugins", "ServiceAccount") // its accounts come late, and no pod here asks for one
	p.until(t, "the API server is ready", time.Minute, func() bool {
		r, err := p.http.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	p.start(t, "kube-controller-manager", "--kubeconfig", p.config, "--authentication-kubeconfig", p.config, "--authorization-kubeconfig", p.config, "--leader-elect=false", "--secure-port", "0",
		"--controllers", "deployment-controller,replicaset-controller,garbage-collector-controller,serviceaccount-controller,horizontal-pod-autoscaler-controller",
		"--horizontal-pod-autoscaler-sync-period", "1s", "--service-account-private-key-file", key)
	p.must(t, http.MethodPost, "/api/v1/namespaces", map[string]any{"metadata": map[string]any{"name": namespace}}, nil)
	return p
}

// start starts a program of the control plane. Its last words are shown when the test
// failed.
func (p *plane) start(t *testing.T, name string, args ...string) {
	t.Helper()
	said := new(tail)
	cmd := exec.Command(filepath.Join(p.bin, name), args...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed takes it along
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		p.lost <- name
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		<-ended
		kill.Stop()
		if t.Failed() {
			t.Logf("%s said last:\n%s", name, said)
		}
	})
}

// keys writes what the API server signs accounts' tokens with, and whom it knows.
func (p *plane) keys(t *testing.T) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "sa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	p.write(t, "sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	p.write(t, "tokens", []byte("admin-token,admin,admin,system:masters\n"))
}

// kubeconfig writes one and returns its path.
func (p *plane) kubeconfig(t *testing.T, name, url, token string) string {
	t.Helper()
	cluster := map[string]any{"server": url, "insecure-skip-tls-verify": true} // its certificate is of its own making
	if strings.HasPrefix(url, "http:") {
		delete(cluster, "insecure-skip-tls-verify")
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"clusters": []any{map[string]any{"name": "c", "cluster": cluster}},
		"users":    []any{map[string]any{"name": "u", "user": map[string]any{"token": token}}},
		"contexts": []any{map[string]any{"name": "c", "context": map[string]any{"cluster": "c", "user": "u", "namespace": namespace}}}})
	if err != nil {
		t.Fatal(err)
	}
	return p.write(t, name+".kubeconfig", text)
}

func (p *plane) write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kubectl runs it as somebody who may do everything, and returns what it printed.
func (p *plane) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.try(t, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// try is kubectl that may say no.
func (p *plane) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(p.bin, "kubectl"), append([]string{"--kubeconfig", p.config}, args...)...).CombinedOutput()
	return string(out), err
}

// ask makes one request as somebody who may do everything.
func (p *plane) ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, p.url+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer admin-token")
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer, err := p.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		var s metav1.Status
		_ = json.NewDecoder(answer.Body).Decode(&s)
		return fmt.Errorf("%s %s: %d %s", method, path, answer.StatusCode, s.Message)
	}
	if out == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	return json.NewDecoder(answer.Body).Decode(out)
}

func (p *plane) must(t *testing.T, method, path string, in, out any) {
	t.Helper()
	if err := p.ask(t.Context(), method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

// until waits for something to be so.
func (p *plane) until(t *testing.T, what string, limit time.Duration, is func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		select {
		case name := <-p.lost:
			t.Fatalf("%s ended, waiting until %s", name, what)
		default:
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// tail keeps the last 4 kB of what was written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (w *tail) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, b...)
	w.text = w.text[max(len(w.text)-4<<10, 0):]
	return len(b), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}
