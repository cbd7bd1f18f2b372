//go:build e2e

package proxies

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// proxy is an example that runs.
type proxy struct {
	base, plain string // https:// and http://
	roots       *x509.CertPool
	dirs        []string // where it may write
	hold        func(t *testing.T, s *server, on bool)
}

// The addresses of the examples.
var examples = []string{"10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.3:8000"}

func startNginx(t *testing.T, f *fleet) *proxy {
	path := program(t, "nginx")
	dir := temporary(t)
	p := &proxy{roots: certificate(t, dir), dirs: []string{dir}}
	secure, plain := freeAddress(t), freeAddress(t)
	p.base, p.plain = "https://"+secure, "http://"+plain
	text := read(t, "../../deploy/nginx/bcc.conf")
	text = swap(t, text, "/etc/ssl/bcc/", dir+"/")
	text = swap(t, text, "listen 443 ssl", "listen "+secure+" ssl")
	text = swap(t, text, "listen 80;", "listen "+plain+";")
	for i, s := range f.servers {
		text = swap(t, text, examples[i], s.address)
	}
	conf := nginxAround(t, dir, text)
	cmd, ended := started(t, dir, path, "-p", dir, "-c", conf)
	held := map[string]bool{}
	p.hold = func(t *testing.T, s *server, on bool) { // as the file says that it is done
		held[s.address] = on
		now := text
		for address := range held {
			if held[address] {
				now = strings.Replace(now, "server "+address+" ", "server "+address+" down ", 1)
			}
		}
		nginxAround(t, dir, now)
		before := workersOf(cmd.Process.Pid)
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until(t, "nginx has new workers", func() bool {
			now := workersOf(cmd.Process.Pid)
			for _, pid := range before {
				if slices.Contains(now, pid) { // it ends what it has in hand
					return false
				}
			}
			return len(now) > 0
		})
	}
	p.answers(t, ended)
	return p
}

// workersOf returns the processes that a process has started.
func workersOf(pid int) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	return strings.Fields(string(text))
}

// nginxAround writes what stands around a file of conf.d, and returns its path.
func nginxAround(t *testing.T, dir, text string) string {
	t.Helper()
	write(t, filepath.Join(dir, "bcc.conf"), text)
	around := "daemon off;\nworker_processes 2;\npid DIR/pid;\nerror_log DIR/error.log;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		around += kind + "_temp_path DIR/" + kind + ";\n"
	}
	around = strings.ReplaceAll(around+"include DIR/bcc.conf;\n}\n", "DIR", dir)
	path := filepath.Join(dir, "nginx.conf")
	write(t, path, around)
	return path
}

func startHAProxy(t *testing.T, f *fleet) *proxy {
	path := program(t, "haproxy")
	dir := temporary(t)
	p := &proxy{roots: certificate(t, dir), dirs: []string{dir}, hold: func(*testing.T, *server, bool) {}} // it asks /readyz
	secure, plain := freeAddress(t), freeAddress(t)
	p.base, p.plain = "https://"+secure, "http://"+plain
	text := read(t, "../../deploy/haproxy/haproxy.cfg")
	text = swap(t, text, "/etc/haproxy/bcc.pem", filepath.Join(dir, "both.pem"))
	text = swap(t, text, "stats socket /run/haproxy/admin.sock", "stats socket "+filepath.Join(dir, "admin.sock"))
	text = swap(t, text, "bind :443", "bind "+secure)
	text = swap(t, text, "bind :80", "bind "+plain)
	for i, s := range f.servers {
		text = swap(t, text, examples[i], s.address)
	}
	if os.Getuid() != 0 { // who is not root has nothing to give up
		for _, l := range []string{"    chroot /var/lib/haproxy\n", "    user haproxy\n", "    group haproxy\n"} {
			text = swap(t, text, l, "")
		}
	}
	cfg := filepath.Join(dir, "haproxy.cfg")
	write(t, cfg, text)
	_, ended := started(t, dir, path, "-db", "-f", cfg)
	p.answers(t, ended)
	return p
}

// started starts a proxy that ends with the test.
func started(t *testing.T, dir, path string, args ...string) (cmd *exec.Cmd, ended chan struct{}) {
	t.Helper()
	cmd, ended = exec.Command(path, args...), make(chan struct{})
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "error.log")) // HAProxy has none
			t.Logf("%s said:\n%s%s", filepath.Base(path), &said, text)
		}
	})
	return cmd, ended
}

// answers waits until the proxy answers.
func (p *proxy) answers(t *testing.T, ended chan struct{}) {
	t.Helper()
	c := p.client("127.0.0.1")
	until(t, "the proxy answers", func() bool {
		select {
		case <-ended:
			t.Fatal("the proxy ended")
		default:
		}
		res, err := c.Get(p.base + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// client returns one that comes from an address of the loopback.
func (p *proxy) client(from string) *http.Client {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return &http.Client{Timeout: long, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: p.roots, ServerName: "bcc.example.org"},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return d.DialContext(ctx, network, addr)
		},
	}}
}

func (p *proxy) do(t *testing.T, c *http.Client, r *http.Request) *http.Response {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// json sends a request and reads its answer.
func (p *proxy) json(t *testing.T, c *http.Client, r *http.Request, want int, v any) {
	t.Helper()
	res := p.do(t, c, r)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want || json.Unmarshal(text, v) != nil {
		t.Fatalf("%s %s: %d, want %d: %v %s", r.Method, r.URL.Path, res.StatusCode, want, err, text)
	}
}

// stored returns how many bytes of requests and answers the proxy keeps on its disk.
func (p *proxy) stored(t *testing.T) (n int64) {
	t.Helper()
	for _, d := range p.dirs {
		n += bytesIn(t, d)
	}
	return n
}

// certificate writes cert.pem, key.pem and both.pem, and returns who signed them.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"bcc.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	k := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	write(t, filepath.Join(dir, "cert.pem"), c)
	write(t, filepath.Join(dir, "key.pem"), k)
	write(t, filepath.Join(dir, "both.pem"), c+k)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c))
	return roots
}

// program finds one, in the places too where Debian keeps those of administrators.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, at := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(at); err == nil {
			return path
		}
	}
	t.Skipf("there is no %s: make setup-proxies", name)
	return ""
}

// temporary is a folder that a proxy's own user reaches.
func temporary(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bcc-proxy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// swap puts something else into an example; what is not there any more is an error.
func swap(t *testing.T, text, from, to string) string {
	t.Helper()
	if !strings.Contains(text, from) {
		t.Fatalf("the example has no %q", from)
	}
	return strings.ReplaceAll(text, from, to)
}

func succeeds(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// bytesIn adds up the files of a folder. They come and go meanwhile.
func bytesIn(t *testing.T, dir string) (n int64) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", long, what)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
