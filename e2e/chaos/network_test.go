//go:build e2e

package chaos

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// network is what one worker of the fleet is reached over, so that it can be cut off:
// a network namespace with two ends of a wire, in which everything is dropped for a
// while. Where none can be made (not root), TCP proxies stand in its place, that fall
// silent.
type network struct {
	host   string // address of this side, on which queue and store listen
	name   string // of the namespace; empty: proxies
	silent silence
}

// newNetwork makes the namespace. Names and addresses hold the process's number: two
// runs at once do not meet.
func newNetwork(t *testing.T, d *diary) *network {
	t.Helper()
	id := os.Getpid() % 16000
	name := fmt.Sprint("bcc", id)
	here := fmt.Sprintf("10.213.%d.%d", id>>6, id&63<<2|1)
	there := fmt.Sprintf("10.213.%d.%d", id>>6, id&63<<2|2)
	near, far := "bch"+name[3:], "bcw"+name[3:]
	ip := func(args string) error {
		out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %v: %s", args, err, out)
		}
		return nil
	}
	if err := ip("netns add " + name); err != nil {
		d.note("no network namespace can be made here, a proxy that falls silent stands in its place: %v", err)
		return &network{host: "127.0.0.1"}
	}
	t.Cleanup(func() {
		_ = ip("link del " + near)
		_ = ip("netns del " + name)
	})
	for _, line := range []string{
		"link add " + near + " type veth peer name " + far + " netns " + name,
		"addr add " + here + "/30 dev " + near,
		"link set " + near + " up",
		"-n " + name + " addr add " + there + "/30 dev " + far,
		"-n " + name + " link set " + far + " up",
		"-n " + name + " link set lo up",
	} {
		if err := ip(line); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("ip", "netns", "exec", name, "nft", "list", "ruleset").CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return &network{host: here, name: name}
}

// wrap returns the command line of a program inside.
func (n *network) wrap(line []string) []string {
	if n.name == "" {
		return line
	}
	return append([]string{"ip", "netns", "exec", n.name}, line...)
}

// through returns addresses under which a program inside reaches host:port of urls.
func (n *network) through(t *testing.T, urls string) string {
	t.Helper()
	if n.name != "" {
		return urls
	}
	all := strings.Split(urls, ",")
	for i, u := range all {
		scheme, at, _ := strings.Cut(u, "://")
		all[i] = scheme + "://" + n.silent.proxy(t, at)
	}
	return strings.Join(all, ",")
}

// cut drops everything from now on; mend lets it through again.
func (n *network) cut() error {
	if n.name == "" {
		n.silent.set(true)
		return nil
	}
	return n.nft("add table inet cut; add chain inet cut in { type filter hook input priority 0; policy drop; }; add chain inet cut out { type filter hook output priority 0; policy drop; }")
}

func (n *network) mend() error {
	if n.name == "" {
		n.silent.set(false)
		return nil
	}
	return n.nft("delete table inet cut")
}

func (n *network) nft(rules string) error {
	out, err := exec.Command("ip", "netns", "exec", n.name, "nft", rules).CombinedOutput()
	if err != nil {
		return fmt.Errorf("nft %s: %v: %s", rules, err, out)
	}
	return nil
}

// silence is proxies that forward, or hold back all that comes: what TCP makes of
// packets that are dropped.
type silence struct {
	mu   sync.Mutex
	gate chan struct{} // closed: open; nil: open too
}

func (s *silence) set(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.gate = make(chan struct{})
	} else {
		close(s.gate)
	}
}

func (s *silence) wait() {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
}

// proxy listens and forwards to an address; it returns its own.
func (s *silence) proxy(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				s.wait()
				out, err := net.Dial("tcp", to)
				if err != nil {
					in.Close()
					return
				}
				go s.pipe(in, out)
				s.pipe(out, in)
			}()
		}
	}()
	return l.Addr().String()
}

func (s *silence) pipe(to, from net.Conn) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		s.wait()
		if _, bad := to.Write(b[:n]); err != nil || bad != nil {
			to.Close()
			if err != io.EOF {
				from.Close()
			}
			return
		}
	}
}
