package lifeline

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"bcc/fault"
	"bcc/train"
)

// directions is what rank 0 tells the others over the collective.
type directions struct {
	Key   string   `json:"key"`
	Addrs []string `json:"addrs"`
}

// directionsBytes bounds them: a broadcast has the same length on every rank.
const directionsBytes = 4096

// Over opens a line beside a collective that works already: rank 0 listens on a
// free port and tells the others where. All ranks call it. When one of them cannot
// reach rank 0, because a firewall lets only the collective through, all get an
// error of kind Unavailable, and may go on without a line.
func Over(ctx context.Context, c train.Collective, cfg Config) (*Line, error) {
	var line *Line
	problem := func() error {
		var way directions
		var listener *Listener
		var err error
		if c.Rank() == 0 {
			cfg.Key = rand.Text()
			if listener, err = Listen(cfg, ":0"); err == nil {
				way, err = directionsTo(cfg.Key, listener.Addr())
			}
		}
		told := make([]byte, directionsBytes)
		if text, jsonErr := json.Marshal(way); jsonErr == nil && len(text) <= len(told) {
			copy(told, text)
		}
		if sent := c.Broadcast(ctx, told, 0); sent != nil {
			return errors.Join(err, sent)
		}
		if c.Rank() == 0 {
			if err != nil {
				return err
			}
			line, err = listener.Gather(ctx)
			return err
		}
		if err := json.Unmarshal(bytes.TrimRight(told, "\x00"), &way); err != nil || len(way.Addrs) == 0 {
			return fault.New(fault.Unavailable, "life line: rank 0 cannot listen")
		}
		cfg.Key = way.Key
		line, err = Dial(ctx, cfg, way.Addrs...)
		return err
	}()
	failed := []float64{0}
	if problem != nil {
		failed[0] = 1
	}
	if err := c.AllReduce(ctx, failed); err != nil {
		problem = errors.Join(problem, err)
	} else if failed[0] > 0 && problem == nil {
		problem = fault.New(fault.Unavailable, "life line: %v of %d ranks could not be joined", failed[0], c.Size())
	}
	if problem != nil && line != nil {
		line.hangUp()
		line = nil
	}
	return line, problem
}

// directionsTo lists all addresses at which others may find this machine; this
// machine itself comes last.
func directionsTo(key string, at net.Addr) (directions, error) {
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return directions{}, fmt.Errorf("life line: listening on %v", at)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return directions{}, fmt.Errorf("life line: addresses of this machine: %w", err)
	}
	const most = 32
	way := directions{Key: key}
	port := fmt.Sprint(tcp.Port)
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && len(way.Addrs) < most {
			way.Addrs = append(way.Addrs, net.JoinHostPort(n.IP.String(), port))
		}
	}
	way.Addrs = append(way.Addrs, net.JoinHostPort("127.0.0.1", port))
	return way, nil
}
