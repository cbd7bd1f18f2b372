//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// manyFiles lets this process open that many connections, or skips the test.
func manyFiles(t *testing.T, n uint64) {
	t.Helper()
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	if r.Cur < n {
		r.Cur = n
		if r.Max < n {
			r.Max = n
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
			t.Skipf("%d files may not be open at once: %v", n, err)
		}
	}
}

// crowd is many connections, opened from several addresses of this computer.
type crowd struct {
	conns []net.Conn
	gone  atomic.Int64 // closed by the server
	wait  sync.WaitGroup
}

// gather opens n connections and says the words on each. What the server answers is
// read until it closes.
func (s *target) gather(t *testing.T, n int, words string) *crowd {
	t.Helper()
	c := &crowd{}
	for i := range n {
		d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%4))}}
		conn, err := d.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		c.conns = append(c.conns, conn)
		c.wait.Go(func() {
			_, _ = io.Copy(io.Discard, conn)
			c.gone.Add(1)
		})
		if words != "" {
			_, _ = io.WriteString(conn, words)
		}
	}
	return c
}

func (c *crowd) leave() {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.wait.Wait()
}

// TestHostileConnectionsTakeNobodysPlace holds connections in every way there is to
// hold one while others are served.
func TestHostileConnectionsTakeNobodysPlace(t *testing.T) {
	manyFiles(t, 20_000)
	s := attack(t)
	s.quietly(t)

	for _, c := range []struct {
		what, words string
		n           int
	}{
		{"10,000 connections that say nothing", "", 10_000},
		{"10,000 connections kept after a request", "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 10_000},
		{"5,000 that begin a request", "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", 5_000},
		{"3,000 that begin a body", "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n" + filePart + "\x89PNG\r\n\x1a\n", 3_000},
	} {
		begun := time.Now()
		crowd := s.gather(t, c.n, c.words)
		came := time.Since(begun)
		others := s.bystander()
		time.Sleep(3 * time.Second)
		others.report(t, c.what)
		t.Logf("they came in %.1f s; %d of them were closed by then", came.Seconds(), crowd.gone.Load())
		crowd.leave()
	}
	if a := s.must(t, "GET", "/metrics", nil); !strings.Contains(string(a.body), "bcc_http_connections_closed_total") {
		t.Error("the metrics do not count connections that were closed")
	}
}

// TestHostileConnectionsLeaveFilesToOthers has the server run with few open files.
func TestHostileConnectionsLeaveFilesToOthers(t *testing.T) {
	manyFiles(t, 6_000)
	s := attackOn(t, t.TempDir(), []string{"sh", "-c", `ulimit -n 1024 && exec "$0" "$@"`})
	crowd := s.gather(t, 3_000, "")
	others := s.bystander()
	time.Sleep(2 * time.Second)
	others.report(t, "3,000 connections on a server that may open 1,024 files")
	if a := s.must(t, "POST", "/slides", bytes.NewReader(picture(224)), "Content-Type", "image/png"); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.body)
	}
	crowd.leave()
	if strings.Contains(s.said.String(), "too many open files") {
		t.Error("it ran out of files")
	}
}

// TestHostileSlownessIsGivenUp sends a byte now and then.
func TestHostileSlownessIsGivenUp(t *testing.T) {
	s := attack(t)
	others := s.bystander()
	var slow sync.WaitGroup
	for what, c := range map[string]struct {
		words, drip string
		limit       time.Duration
	}{
		"headers":    {"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", "x", 15 * time.Second},
		"a line":     {"GET /", "x", 15 * time.Second},
		"a form":     {"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n" + filePart + "\x89PNG\r\n\x1a\n", "x", 50 * time.Second},
		"a slide":    {"POST /slides HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 1000000\r\n\r\n\x89PNG\r\n\x1a\n", "x", 50 * time.Second},
		"JSON":       {"POST /cohorts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{", " ", 50 * time.Second},
		"chunks":     {"POST /slides HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n\x89PNG\r\n\x1a\n\r\n", "1\r\nx\r\n", 50 * time.Second},
		"nobody's":   {"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n", "x", 50 * time.Second},
		"of a probe": {"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n", "x", 50 * time.Second},
	} {
		conn := s.dial(t)
		slow.Go(func() {
			begun := time.Now()
			_, _ = io.WriteString(conn, c.words)
			ended := make(chan []byte, 1)
			go func() {
				b, _ := io.ReadAll(conn)
				ended <- b
			}()
			for {
				select {
				case b := <-ended:
					first, _, _ := strings.Cut(string(b), "\r\n")
					t.Logf("%s, a byte at a time: given up after %.0f s: %q", what, time.Since(begun).Seconds(), first)
					return
				case <-time.After(500 * time.Millisecond):
					if time.Since(begun) > c.limit {
						t.Errorf("%s, a byte at a time: still listened to after %v", what, c.limit)
						conn.Close()
						<-ended
						return
					}
					_, _ = io.WriteString(conn, c.drip)
				}
			}
		})
	}
	slow.Wait()
	others.report(t, "while some are slow")
}

// TestHostileHoardersLeaveRoom sends half of pictures that fit into memory, and drips
// the rest: as many as fill what there is for pictures.
func TestHostileHoardersLeaveRoom(t *testing.T) {
	s := attack(t)
	s.quietly(t)
	head := fmt.Sprintf("POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n", 15<<20)
	crowd := s.gather(t, 40, head+filePart+"\x89PNG\r\n\x1a\n"+strings.Repeat("x", 9<<20))
	begun := time.Now()
	for { // at once where there is room, soon where they have to be seen through first
		a, err := s.predict("p.png", picture(224))
		if err != nil {
			t.Fatal(err)
		}
		if a.status == http.StatusOK {
			break
		}
		if a.status != http.StatusTooManyRequests || time.Since(begun) > 15*time.Second {
			t.Fatalf("%d %s after %v", a.status, a.body, time.Since(begun))
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Logf("40 half pictures of 9 MB: others are served after %v, RSS %d MB", time.Since(begun).Round(time.Millisecond), residentBytes(s.cmd.Process.Pid)/mb)
	others := s.bystander()
	time.Sleep(2 * time.Second)
	others.report(t, "while 40 half pictures are on their way")
	crowd.leave()
	time.Sleep(500 * time.Millisecond)
}
