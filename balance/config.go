package balance

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// Config says who is asked and how.
type Config struct {
	Source Source // who the members are

	// PerMember is how many requests a member has in hand at most, default 64; more
	// wait here, a turn for each key. Waiting is how many wait at most, default 1,000,
	// and Patience for how long, default 30 s.
	PerMember int
	Waiting   int
	Patience  time.Duration
	// Streams is how many events and WebSockets are open at most, default 4,096.
	Streams int

	// Probe is how often each member is asked whether it is ready, default 1 s: a
	// server that drains says so for twice as long before it goes (bcc serve --linger).
	// ProbeTimeout is how long it has to answer, default 2 s.
	Probe        time.Duration
	ProbeTimeout time.Duration
	// Failures in a row, default 3, eject a member for Ejection, default 5 s and twice
	// as long each time, up to 16 times. Who comes back gets ever more for Return,
	// default 10 s.
	Failures int
	Ejection time.Duration
	Return   time.Duration

	// Dial is how long a connection may take, default 2 s. Answer is how long a member
	// may take until its answer begins, default 10 min: slides are large.
	Dial   time.Duration
	Answer time.Duration

	// MinRate is how many bytes a second clients send at least, default 1 KiB, counted
	// over a Window, default 30 s. A piece of an answer is taken within two windows.
	MinRate int
	Window  time.Duration

	// Replay is how many bytes of a body are kept so that it can be sent again, default
	// 1 MiB. RetryShare is the share of requests that may be tried again on top, default
	// 0.2: in an outage of all, trying again makes it worse.
	Replay     int
	RetryShare float64
	// HedgeShare is the share of reads of which a second member may be asked when the
	// first takes longer than nearly all did; default 0.05. 0: none.
	HedgeShare float64
	// Repeatable are paths of POSTs that may be done twice: they change nothing, or
	// keep what is sent under its digest.
	Repeatable []string

	// Trusted are the networks of proxies in front whose X-Forwarded-* count.
	Trusted []netip.Prefix
	// TLS is how members with https addresses are asked; nil: the system's roots.
	TLS *tls.Config

	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: nothing is counted
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		PerMember: 64, Waiting: 1000, Patience: 30 * time.Second, Streams: 4096,
		Probe: time.Second, ProbeTimeout: 2 * time.Second, Failures: 3, Ejection: 5 * time.Second, Return: 10 * time.Second,
		Dial: 2 * time.Second, Answer: 10 * time.Minute, MinRate: 1 << 10, Window: 30 * time.Second,
		Replay: 1 << 20, RetryShare: 0.2, HedgeShare: 0.05, Repeatable: []string{"/predict", "/predict/batch", "/slides"},
	}
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	add := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	between := func(what string, d, low, high time.Duration) {
		add(d < low || d > high, "%s %v: want %v to %v", what, d, low, high)
	}
	add(c.Source == nil, "no members to balance between")
	add(c.PerMember < 1 || c.PerMember > 1e6, "%d requests a member: want 1 to a million", c.PerMember)
	add(c.Waiting < 0 || c.Waiting > 1e6, "%d requests that wait: want 0 to a million", c.Waiting)
	add(c.Streams < 1 || c.Streams > 1e6, "%d streams: want 1 to a million", c.Streams)
	add(c.MinRate < 0 || c.MinRate > 1<<30, "%d bytes a second at least: want 0 to 1 GiB", c.MinRate)
	between("window of bodies", c.Window, 10*time.Millisecond, time.Hour)
	between("patience", c.Patience, 0, time.Hour)
	between("probe every", c.Probe, 10*time.Millisecond, time.Hour)
	between("timeout of probes", c.ProbeTimeout, 10*time.Millisecond, time.Hour)
	add(c.Failures < 1, "%d failures in a row: want 1 or more", c.Failures)
	between("ejection", c.Ejection, 0, time.Hour)
	between("slow return", c.Return, 0, time.Hour)
	between("time to connect", c.Dial, 10*time.Millisecond, time.Minute)
	between("time until an answer begins", c.Answer, 10*time.Millisecond, 24*time.Hour)
	add(c.Replay < 0 || c.Replay > 1<<30, "%d bytes kept of a body: want 0 to 1 GiB", c.Replay)
	add(!(c.RetryShare >= 0 && c.RetryShare <= 1), "share of retries %g: want 0 to 1", c.RetryShare)
	add(!(c.HedgeShare >= 0 && c.HedgeShare <= 0.5), "share of hedged reads %g: want 0 to 0.5", c.HedgeShare)
	return errors.Join(errs...)
}
