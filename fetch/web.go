package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"bcc/fault"
)

// newClient returns a client that passes the gate with each request it makes. It
// knows no proxy: the environment's would reach what we may not. Nothing is
// unpacked, no cookie is kept, and no connection: each is checked.
func (f *Fetcher) newClient() *http.Client {
	return &http.Client{
		Transport: gate{f, &http.Transport{
			DialContext:            f.dial,
			TLSClientConfig:        &tls.Config{RootCAs: f.cfg.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    f.cfg.IdleTimeout,
			ResponseHeaderTimeout:  f.cfg.IdleTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
			DisableKeepAlives:      true,
		}},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > f.cfg.MaxRedirects {
				return fault.New(fault.Invalid, "fetch: more than %d redirects", f.cfg.MaxRedirects)
			}
			return nil
		},
	}
}

// gate is where every request passes, that of a redirect too.
type gate struct {
	f    *Fetcher
	next http.RoundTripper
}

func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.f.allowURL(r.URL); err != nil {
		return nil, err
	}
	r = r.Clone(context.WithValue(r.Context(), unencryptedKey{}, r.URL.Scheme == "http"))
	r.Header.Del("Referer") // the address before this one may hold a signature
	r.Header.Set("User-Agent", "bcc")
	r.Header.Set("Accept-Encoding", "identity")
	return g.next.RoundTrip(r)
}

func (f *Fetcher) fetchWeb(ctx context.Context, address string, w io.Writer) (int64, error) {
	u, err := f.checkURL(address)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, fault.New(fault.Invalid, "fetch: the address is malformed")
	}
	response, err := f.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("fetch from %.100s: %w", u.Host, webError(ctx, err))
	}
	defer response.Body.Close()
	if err := answered(response); err != nil {
		return 0, fmt.Errorf("fetch from %.100s: %w", u.Host, err)
	}
	n, err := f.copy(ctx, cancel, w, response.Body, response.ContentLength)
	if err != nil {
		return n, fmt.Errorf("fetch from %.100s: %w", u.Host, err)
	}
	return n, nil
}

// webError gives an error of the client its kind, without the address, which may
// hold a key.
func webError(ctx context.Context, err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	if stopped := ended(ctx, nil); stopped != nil {
		return stopped
	}
	if fault.Of(err) != fault.Internal {
		return err
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fault.Hint(fault.New(fault.Invalid, "its certificate is not trusted: %w", certificate.Err), "the host needs a certificate of a known authority")
	}
	return fault.New(fault.Unavailable, "%w", nameless(err))
}

// answered looks at the head of an answer.
func answered(r *http.Response) error {
	switch code := r.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusNotFound || code == http.StatusGone:
		return fault.New(fault.NotFound, "HTTP %d: there is no such file", code)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fault.Hint(fault.New(fault.Invalid, "HTTP %d: the host does not give the file away", code), "a signed address may have expired: sign it again")
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		return fault.New(fault.Unavailable, "HTTP %d", code)
	default:
		return fault.New(fault.Invalid, "HTTP %d, want 200", code)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fault.New(fault.Unsupported, "the answer is packed as %.20q, although nothing packed was asked for", encoding)
	}
	return nil
}
