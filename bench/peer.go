package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bcc/fault"
)

// Peer is a server in a process of its own, started to be measured.
type Peer struct {
	Target
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
	words bytes.Buffer  // what it says of itself when it fails; read it when it has ended
}

// peerPatience bounds how long a server may take until it is ready: PyTorch loads
// for some seconds.
const peerPatience = 90 * time.Second

// StartPeer starts a server that answers at the target's address and waits until
// ready, a path of it, is answered with 200. It ends with ctx.
func StartPeer(ctx context.Context, t Target, ready string, env []string, program string, args ...string) (*Peer, error) {
	p := &Peer{Target: t, cmd: exec.CommandContext(ctx, program, args...), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stderr = env, &p.words
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) } // so that it ends its own processes
	p.cmd.WaitDelay = 40 * time.Second                                           // then it is killed
	if err := p.cmd.Start(); err != nil {
		return nil, fault.New(fault.Unavailable, "start %s: %w", program, err)
	}
	p.RSS = func() int64 { return treeRSS(p.cmd.Process.Pid) }
	p.Memory = func() int64 { return treeMemory(p.cmd.Process.Pid) }
	p.CPU = func() float64 { return treeCPU(p.cmd.Process.Pid) }
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // it is told to end, or what it said tells why
	}()
	if err := p.wait(ctx, ready); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// wait returns when the peer is ready.
func (p *Peer) wait(ctx context.Context, ready string) error {
	for limit := time.Now().Add(peerPatience); time.Now().Before(limit); {
		select {
		case <-p.ended:
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			said := strings.Split(strings.TrimSpace(p.words.String()), "\n")
			return fault.New(fault.Unavailable, "%s ended: %s", p.Name, said[len(said)-1])
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
		if p.Get(ctx, ready, nil) == nil {
			return nil
		}
	}
	return fault.New(fault.Unavailable, "%s was not ready within %v", p.Name, peerPatience)
}

// Close ends the peer: in peace, and after WaitDelay by force.
func (p *Peer) Close() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended meanwhile
	kill := time.AfterFunc(p.cmd.WaitDelay, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	<-p.ended
	return nil
}

// FreeAddress returns an address on the loopback that nobody listens at now.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fault.New(fault.Unavailable, "%w", err)
	}
	defer l.Close()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)), nil
}

// Get reads what the server answers at the path into v, where v is not nil.
func (t Target) Get(ctx context.Context, path string, v any) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.Address+path, nil)
	if err != nil {
		return fault.New(fault.Invalid, "%w", err)
	}
	if t.Key != "" {
		req.Header.Set("Authorization", "Bearer "+t.Key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "%s%s answers %s", t.Address, path, res.Status)
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(v)
}

// MachineRSS returns the resident bytes that a bcc serve tells of itself, 0 where
// it does not.
func (t Target) MachineRSS(ctx context.Context) int64 {
	var m struct {
		Memory struct {
			RSS int64 `json:"rss_bytes"`
		} `json:"memory"`
	}
	_ = t.Get(ctx, "/machine", &m) // then it is 0
	return m.Memory.RSS
}
