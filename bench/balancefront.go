package bench

import (
	"bytes"
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"text/template"
	"time"

	"bcc/fault"
)

// Front is a balancer that is measured, in a process of its own.
type Front struct {
	Name    string // as tables show it
	Version string
	Program string
	Args    []string // of bcc balance, beside those that say where

	way    string // of choosing, as its configuration names it
	config *template.Template
	run    func(config, dir string) []string // the arguments with which it reads its configuration
	holds  bool                              // asks nobody whether it is ready: its configuration says who is not
}

//go:embed peers/balance/nginx.conf
var nginxConfig string

//go:embed peers/balance/haproxy.cfg
var haproxyConfig string

// PeerFronts returns the balancers of others that are installed, and the names of the
// programs that are not.
func PeerFronts(ctx context.Context) (fronts []Front, missing []string) {
	for _, p := range []struct {
		program, name, version, config string
		ways                           []string
		holds                          bool
		run                            func(config, dir string) []string
	}{
		{"nginx", "nginx", "-v", nginxConfig, []string{"round_robin", "least_conn"}, true, func(config, dir string) []string {
			return []string{"-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log")}
		}},
		{"haproxy", "HAProxy", "-v", haproxyConfig, []string{"roundrobin", "leastconn"}, false, func(config, _ string) []string {
			return []string{"-db", "-f", config}
		}},
	} {
		path, err := LookProgram(p.program)
		if err != nil {
			missing = append(missing, p.program)
			continue
		}
		said, _ := exec.CommandContext(ctx, path, p.version).CombinedOutput() // then it has no version
		for _, way := range p.ways {
			fronts = append(fronts, Front{
				Name: p.name + " " + way, Version: versionIn(said), Program: path,
				way: way, config: template.Must(template.New(p.name).Parse(p.config)), run: p.run, holds: p.holds,
			})
		}
	}
	return fronts, missing
}

// LookProgram finds a program, in the places too where Debian keeps those of
// administrators.
func LookProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	path, err := exec.LookPath(filepath.Join("/usr/sbin", name))
	if err != nil {
		return "", fault.Hint(fault.New(fault.Unavailable, "there is no %s", name), "make setup-proxies")
	}
	return path, nil
}

var versionWords = regexp.MustCompile(`\d+(\.\d+)+`)

func versionIn(said []byte) string { return string(versionWords.Find(said)) }

// fronted is a front that runs. A nil Peer is none at all: clients go to the servers.
type fronted struct {
	*Peer
	addresses []string                   // that clients ask
	hold      func(i int, on bool) error // before server i ends, and when it is back
}

// frontMember is a server, as configurations name it.
type frontMember struct {
	Address string
	Held    bool
}

// start starts a front before servers and waits until it answers.
func (f *Front) start(ctx context.Context, dir string, members []string, probe time.Duration, env []string) (*fronted, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	out := &fronted{addresses: []string{address}, hold: func(int, bool) error { return nil }}
	target := Target{Name: f.Name, Version: f.Version, Address: address}
	if f.config == nil {
		args := append([]string{"balance", "--addr", address, "--probe", probe.String(), "--log-level", "error"}, f.Args...)
		for _, m := range members {
			args = append(args, "--to", "http://"+m)
		}
		out.Peer, err = StartPeer(ctx, target, "/readyz", env, f.Program, args...)
		return out, err
	}
	fill := struct {
		Dir, Address, Way string
		ProbeMS           int64
		Members           []frontMember
	}{dir, address, f.way, probe.Milliseconds(), nil}
	for _, m := range members {
		fill.Members = append(fill.Members, frontMember{Address: m})
	}
	path := filepath.Join(dir, "front.conf")
	write := func() error {
		var text bytes.Buffer
		if err := f.config.Execute(&text, fill); err != nil {
			return err
		}
		return os.WriteFile(path, text.Bytes(), 0o600)
	}
	if err := write(); err != nil {
		return nil, fault.New(fault.Unavailable, "%s: %w", f.Name, err)
	}
	if out.Peer, err = StartPeer(ctx, target, "/readyz", env, f.Program, f.run(path, dir)...); err != nil {
		return nil, err
	}
	if f.holds {
		out.hold = func(i int, on bool) error {
			fill.Members[i].Held = on
			if err := write(); err != nil {
				return err
			}
			return out.cmd.Process.Signal(syscall.SIGHUP)
		}
	}
	return out, nil
}

// close ends it.
func (f *fronted) close() error {
	if f.Peer == nil {
		return nil
	}
	return f.Peer.Close()
}

// cpu returns the processor seconds that it has used.
func (f *fronted) cpu() float64 {
	if f.Peer == nil {
		return 0
	}
	return f.CPU()
}

// rss returns its resident bytes.
func (f *fronted) rss() int64 {
	if f.Peer == nil {
		return 0
	}
	return f.RSS()
}

// stubArgs are the flags of a stub server, as the hidden command takes them.
func (s StubServer) stubArgs() []string {
	return []string{"--addr", s.Address, "--service", s.Service.String(), "--places", strconv.Itoa(s.Places), "--linger", s.Linger.String()}
}
