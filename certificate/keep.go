package certificate

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/crypto/acme"

	"bcc/fault"
)

const (
	// lookAgain bounds how long a timer runs: a computer that slept, or whose clock was
	// set, notices within the hour that a certificate is due.
	lookAgain = time.Hour
	// attemptTime bounds one attempt. Issuers look from several places and may queue.
	attemptTime = 3 * time.Minute
)

// Run asks for certificates when they are due, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	var names sync.WaitGroup
	for _, n := range k.names {
		names.Go(func() { k.keep(ctx, n) })
	}
	names.Wait()
	return nil
}

func (k *Keeper) keep(ctx context.Context, n *name) {
	for failed := 0; ctx.Err() == nil; {
		if left := time.Until(n.due()); left > 0 {
			pause(ctx, min(left, lookAgain))
			continue
		}
		err := k.renew(ctx, n)
		if ctx.Err() != nil {
			return // the attempt was cut off, which says nothing about the issuer
		}
		n.late.Store(err != nil)
		n.first()
		k.met.observe(err)
		if err == nil {
			failed = 0
			c := n.present.Load()
			k.log.Info("certificate signed", "name", n.ascii, "issuer", c.Leaf.Issuer.CommonName, "ends", c.Leaf.NotAfter.UTC(), "next", n.due().UTC())
			continue
		}
		failed++
		wait := again(err, failed)
		log := k.log.With("name", n.ascii, "error", err)
		if hint := fault.HintOf(err); hint != "" {
			log = log.With("hint", hint)
		}
		log.Error("no certificate from the issuer", "again_in", wait, "meanwhile", n.meanwhile())
		pause(ctx, wait)
	}
}

// due is when another certificate is asked for: after two thirds of the present one's
// life, as issuers ask for (RFC 9773 leaves it to them where both sides know how).
func (n *name) due() time.Time {
	c := n.present.Load()
	if c == nil {
		return time.Time{}
	}
	return c.Leaf.NotBefore.Add(c.Leaf.NotAfter.Sub(c.Leaf.NotBefore) / 3 * 2)
}

// first lets the handshakes go on that waited for the first attempt.
func (n *name) first() {
	select {
	case <-n.tried:
	default:
		close(n.tried)
	}
}

func (n *name) meanwhile() string {
	c := n.present.Load()
	switch {
	case c == nil:
		return "connections are refused"
	case over(c):
		return "the certificate that ended " + day(c)
	}
	return "the certificate that ends " + day(c)
}

// again returns the time to the next attempt. An issuer that cannot be reached is asked
// soon; one that said no counts the attempts: Let's Encrypt lets a name fail five times
// an hour.
func again(err error, failed int) time.Duration {
	from, most := 10*time.Second, 10*time.Minute
	if refused(err) {
		from, most = 5*time.Minute, time.Hour
	}
	wait := min(from<<min(failed-1, 10), most)
	if e := (*acme.Error)(nil); errors.As(err, &e) {
		if asked, ok := acme.RateLimit(e); ok {
			wait = max(wait, min(asked, 12*time.Hour))
		}
	}
	return wait
}

// refused reports whether the issuer answered, and said no.
func refused(err error) bool {
	var answer *acme.Error
	var proof *acme.AuthorizationError
	var order *acme.OrderError
	if errors.As(err, &answer) {
		return answer.StatusCode < http.StatusInternalServerError
	}
	return errors.As(err, &proof) || errors.As(err, &order) || errors.Is(err, errSoonOver)
}

var errSoonOver = errors.New("the certificate is due again at once")

// renew gets a certificate, serves it from then on and keeps it in the folder.
func (k *Keeper) renew(ctx context.Context, n *name) error {
	ctx, stop := context.WithTimeout(ctx, attemptTime)
	defer stop()
	c, kept, err := k.order(ctx, n)
	if err != nil {
		return explain(fmt.Errorf("ask %s: %w", k.cfg.Directory, err), n)
	}
	n.present.Store(c)
	if err := k.shelf.save(n.ascii, kept); err != nil {
		k.log.Error("certificate not kept, a restart asks for another", "name", n.ascii, "error", err)
	}
	if !time.Now().Before(n.due()) {
		return fault.Hint(errSoonOver, "look whether the clock of this computer is right")
	}
	return nil
}

// explain adds what to do to errors whose cause lies outside.
func explain(err error, n *name) error {
	var proof *acme.AuthorizationError
	var root x509.UnknownAuthorityError
	switch {
	case errors.As(err, &proof):
		return fault.Hint(err, "port 443 of %s must lead to this server, also from where the issuer looks", n.ascii)
	case errors.As(err, &root):
		return fault.Hint(err, "an issuer inside a laboratory needs its root named (--acme-ca)")
	}
	return err
}

// pause waits, no longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
