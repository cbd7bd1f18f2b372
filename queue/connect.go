package queue

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bcc/fault"
)

// join connects and opens the streams. A cluster elsewhere may not be up yet, or may
// elect its leaders: that is tried until Config.Patience is over.
func (q *Queue) join(ctx context.Context) error {
	deadline := time.Now().Add(q.cfg.Patience)
	for try := 1; ; try++ {
		err := q.joinOnce(ctx)
		left := time.Until(deadline)
		if err == nil || q.local != nil || left <= 0 || ctx.Err() != nil ||
			fault.Of(err) != fault.Unavailable || errors.Is(err, nats.ErrAuthorization) || mistrust(err) != "" {
			return err
		}
		q.log.Warn("queue not reached, trying again", "servers", places(q.cfg.URL), "try", try, "left", left.Round(time.Second), "err", err)
		if err := (pause{rest: min(left, joinEvery)}).sleep(ctx, q.closing); err != nil {
			return err
		}
	}
}

// joinEvery is the rest between two tries to join a cluster.
const joinEvery = time.Second

// joinOnce goes on from where the last try came to.
func (q *Queue) joinOnce(ctx context.Context) (err error) {
	if q.conn == nil {
		if q.conn, err = q.connect(); err != nil {
			return err
		}
		if q.js, err = jetstream.New(q.conn, jetstream.WithPublishAsyncMaxPending(maxUnacknowledged)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 4*patience)
	defer cancel()
	return q.openStreams(ctx)
}

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
			q.wakeAll()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			q.log.Warn("queue connection", "err", err)
		}),
	}
	if q.cfg.Token != "" {
		options = append(options, nats.Token(q.cfg.Token)) // an address that holds one goes before it
	}
	if q.local != nil {
		options = append(options, nats.InProcessServer(q.local))
		conn, err := nats.Connect("", options...)
		if err != nil {
			return nil, unavailable(err, "join the queue in this process")
		}
		return conn, nil
	}
	if q.cfg.Roots != nil {
		options = append(options, nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: q.cfg.Roots}))
	}
	conn, err := nats.Connect(q.cfg.URL, options...)
	if errors.Is(err, nats.ErrAuthorization) {
		return nil, fault.Hint(unavailable(err, "join the queue at "+places(q.cfg.URL)),
			"it wants a token or a user, or another one: BCC_QUEUE_TOKEN, or nats://USER:PASSWORD@host:port")
	}
	if why := mistrust(err); why != "" {
		return nil, fault.Hint(unavailable(err, "join the queue at "+places(q.cfg.URL)), "%s", why)
	}
	if err != nil {
		return nil, fault.Hint(unavailable(err, "join the queue at "+places(q.cfg.URL)),
			"is a NATS server with JetStream running there, and may this user join it?")
	}
	return conn, nil
}

// mistrust returns what to do where two do not agree on encryption, "" where they do.
// Waiting changes nothing about it.
func mistrust(err error) string {
	var unknown *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unknown):
		return "its certificate is not good for this address, or this computer does not know who made it: --queue-ca names a file with the roots it is trusted by"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the queue does not encrypt: leave out --queue-ca and write nats://, or let it encrypt (bcc serve --queue-tls-cert)"
	}
	return ""
}
