package queue

import (
	"time"

	"github.com/nats-io/nats.go"

	"bcc/fault"
)

// connect joins the server inside the process or the cluster elsewhere.
func (q *Queue) connect() (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("bcc"),
		nats.Timeout(2 * time.Second),
		nats.MaxReconnects(-1), // until Close
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.RetryOnFailedConnect(false),
		nats.ReconnectBufSize(-1), // nothing is held back while the cluster is away: the caller is told
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2), // a silent network is noticed within 15 s
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if !q.closed() {
				q.log.Warn("queue lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			q.log.Info("queue found again")
			q.bell.ring()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			q.log.Warn("queue connection", "err", err)
		}),
	}
	if q.local != nil {
		options = append(options, nats.InProcessServer(q.local))
		if q.cfg.Token != "" {
			options = append(options, nats.Token(q.cfg.Token))
		}
		conn, err := nats.Connect("", options...)
		if err != nil {
			return nil, unavailable(err, "join the queue in this process")
		}
		return conn, nil
	}
	conn, err := nats.Connect(q.cfg.URL, options...)
	if err != nil {
		return nil, fault.Hint(unavailable(err, "join the queue at "+places(q.cfg.URL)),
			"is a NATS server with JetStream running there, and may this user join it?")
	}
	return conn, nil
}
