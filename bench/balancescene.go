package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// balanceServers is how many servers there are. The last one is slow or dies; two are
// enough for the load.
const balanceServers = 3

// stage is three servers and who stands in front of them, for one cell.
type stage struct {
	b     Balance
	stubs []StubServer
	peers []*Peer
	front *fronted
}

// cell has one side live through a scenario. All is started anew, so that nothing of
// another one is left.
func (b Balance) cell(ctx context.Context, dir, scenario string, side *Front, round int) (c balanceCell, err error) {
	if dir, err = os.MkdirTemp(dir, "cell-"); err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	s := &stage{b: b}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx, filepath.Clean(dir), scenario, side); err != nil {
		return c, err
	}
	load := balanceLoad{
		Addresses: s.front.addresses, Rate: b.rate(), Clients: connectionsOfLoad,
		Warm: b.Warm, For: b.For, Timeout: balanceTimeout, Seed: b.Seed + uint64(round),
	}
	if scenario == "most" {
		load.Rate, load.Clients = 0, b.Clients
	}
	var acting errgroup.Group
	if side != nil { // the two healthy ones stay healthy
		switch scenario {
		case "dies":
			acting.Go(func() error { return s.kill(ctx, b.Warm+b.For/3) })
		case "restart":
			over := make(chan struct{})
			load.Until = over
			acting.Go(func() error { defer close(over); return s.restart(ctx, b.Warm) })
		}
	}
	before := s.front.cpu()
	c.balanceTally, err = load.run(ctx)
	c.cpu, c.rss = s.front.cpu()-before, s.front.rss()
	c.latency, c.rate = latencyOf(c.took), c.balanceTally.rate()
	return c, errors.Join(err, acting.Wait())
}

// open starts the servers and the front.
func (s *stage) open(ctx context.Context, dir, scenario string, side *Front) error {
	s.stubs, s.peers = make([]StubServer, balanceServers), make([]*Peer, balanceServers)
	for i := range s.stubs {
		address, err := FreeAddress()
		if err != nil {
			return err
		}
		s.stubs[i] = StubServer{Address: address, Service: s.b.Service, Places: s.b.Places, Linger: s.linger()}
	}
	switch last := &s.stubs[balanceServers-1]; scenario {
	case "slow":
		last.Service = time.Duration(s.b.Slow * float64(last.Service))
	case "most":
		for i := range s.stubs {
			s.stubs[i].Service = 0
		}
	}
	var starting errgroup.Group
	for i := range s.stubs {
		starting.Go(func() error { return s.start(ctx, i) })
	}
	if err := starting.Wait(); err != nil {
		return err
	}
	addresses := make([]string, balanceServers)
	for i, stub := range s.stubs {
		addresses[i] = stub.Address
	}
	if side == nil {
		s.front = &fronted{addresses: addresses[:balanceServers-1]}
		return nil
	}
	var err error
	s.front, err = side.start(ctx, dir, addresses, s.b.Probe, s.b.Env)
	return err
}

// linger is long enough for two probes that say no, and their answers.
func (s *stage) linger() time.Duration { return 3 * s.b.Probe }

func (s *stage) start(ctx context.Context, i int) (err error) {
	args := append(append([]string{}, s.b.Stub...), s.stubs[i].stubArgs()...)
	s.peers[i], err = StartPeer(ctx, Target{Name: "stub server", Address: s.stubs[i].Address}, "/readyz", s.b.Env, s.b.Program, args...)
	return err
}

func (s *stage) close() error {
	var ending errgroup.Group
	if s.front != nil {
		ending.Go(s.front.close)
	}
	for _, p := range s.peers {
		if p != nil {
			ending.Go(p.kill)
		}
	}
	return ending.Wait()
}

// kill ends a peer at once, with all that it has in hand.
func (p *Peer) kill() error {
	select {
	case <-p.ended:
	default:
		_ = p.cmd.Process.Kill() // it may have ended meanwhile
		<-p.ended
	}
	return nil
}

// kill kills the last server after a time.
func (s *stage) kill(ctx context.Context, after time.Duration) error {
	if wait(ctx, after); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.peers[balanceServers-1].kill()
}

// restart restarts all servers after a time, one after the other: each is taken out as
// the front has it, ends in peace, and is asked again before the next one goes.
func (s *stage) restart(ctx context.Context, after time.Duration) error {
	wait(ctx, after)
	for i := range s.peers {
		if err := s.front.hold(i, true); err != nil {
			return err
		}
		if err := s.peers[i].Close(); err != nil { // lingers, whoever asks it
			return err
		}
		if err := s.start(ctx, i); err != nil {
			return err
		}
		if err := s.front.hold(i, false); err != nil {
			return err
		}
		if wait(ctx, 2*s.b.Probe); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}
