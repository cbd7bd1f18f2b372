// Package client asks a bcc server over HTTP. It sends slides, submits cohorts of them,
// follows these while they are worked on, fetches results, cancels, and has slides tried
// again; bcc submit, status, cancel, retry and autoscale are made of it.
//
//	cfg := client.DefaultConfig()
//	cfg.Server, cfg.Key = "https://bcc.example.org", key
//	c, err := client.New(cfg)
//	…
//	slide, err := c.Upload(ctx, "slide.tif", false) // sent once, however often it is asked for
//	made, err := c.Submit(ctx, client.Order{Slides: []client.OrderSlide{{Upload: slide.SHA256}}})
//	last, err := c.Follow(ctx, made.ID, func(e client.Event) error { … })
//	n, err := c.File(ctx, made.ID+"-0", client.ResultFile, w)
//
// A server that is away or busy is asked again: after as long as it says (Retry-After)
// or ever longer, each time a little at random, until Config.Patience or Config.Busy
// ends, with a word each time to Config.Note. That is safe for everything here: slides
// are known by their digests, a cohort is submitted under an Idempotency-Key, the rest
// reads or says how something shall be. Every call ends with its context.
//
// Errors are of fault's kinds, with the server's words and what to do (fault.HintOf). It
// logs nothing; no word to Note names a file.
//
//	client.go   one request, and what its answer means
//	retry.go    when it is sent again
//	words.go    what the server says
//	predict.go  one picture, answered at once
//	cohorts.go  submit, look, cancel, retry; follow.go what happens; files.go results
//	upload.go   slides out of files; body.go out of whatever can be read
//	fleet.go    what is to be done by when and who is there; what is wanted
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bcc/fault"
)

// Client asks one server. It is safe for concurrent use.
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client

	waits waits
}

// New returns a client; nothing is asked yet.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	base, err := parseServer(cfg.Server)
	if err != nil {
		return nil, err
	}
	if cfg.Note == nil {
		cfg.Note = func(string) {}
	}
	t := http.DefaultTransport.(*http.Transport).Clone() // with the proxies of the environment
	t.DialContext = (&net.Dialer{Timeout: cfg.Dial}).DialContext
	t.ResponseHeaderTimeout = cfg.Answer
	t.MaxIdleConnsPerHost = 16
	return &Client{cfg: cfg, base: base, waits: usual, http: &http.Client{
		Transport: t,
		// A key goes to the server that was named and to no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Once returns a client of the same server that asks once and says nothing: for what is
// only nice to know.
func (c *Client) Once() *Client {
	once := *c
	once.cfg.Patience, once.cfg.Busy, once.cfg.Note = 0, 0, func(string) {}
	return &once
}

// Close lets go of connections that wait for another request.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Server returns where the server is: scheme, host and path.
func (c *Client) Server() string { return c.base.String() }

// request is what can be sent more than once.
type request struct {
	method, path string
	query        url.Values
	kind         string // of the body
	body         func() (io.ReadCloser, error)
	bytes        int64 // of the body; 0: there is none; -1: not known
	header       [][2]string
}

// withJSON returns r with v as its body.
func (r request) withJSON(v any) (request, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return r, err
	}
	r.kind, r.bytes = "application/json", int64(len(b))
	r.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	return r, nil
}

// maxAnswer bounds what is read of an answer: 10,000 slides have some 10 MB.
const maxAnswer = 64 << 20

// bodyAsked is from how many bytes on the server is asked before a body is sent.
const bodyAsked = 256 << 10

// ask sends r until there is an answer, and reads that into v.
func (c *Client) ask(ctx context.Context, r request, v any) error {
	return c.again(ctx, func() error { return c.askOnce(ctx, r, v) })
}

func (c *Client) askOnce(ctx context.Context, r request, v any) error {
	res, stop, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer stop()
	defer res.Body.Close()
	if v == nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return &away{err: err}
	}
	if err := json.Unmarshal(data, v); err != nil {
		return c.stranger("its answer is not JSON")
	}
	return nil
}

// send sends r once. What is no success is an error. stop ends what watches over the
// request, after the answer was read.
func (c *Client) send(ctx context.Context, r request) (res *http.Response, stop context.CancelFunc, err error) {
	at := c.base.JoinPath(r.path)
	at.RawQuery = r.query.Encode()
	ctx, cut := context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			cut(nil)
		}
	}()
	q, err := http.NewRequestWithContext(ctx, r.method, at.String(), nil)
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "%w", err)
	}
	if r.body != nil {
		b, err := r.body()
		if err != nil {
			return nil, nil, err
		}
		body := newMoving(b, c.cfg.Silence, func() { cut(errStalled) })
		q.Body, q.ContentLength = body, r.bytes
		context.AfterFunc(ctx, func() { body.Close() }) // a body that hangs does not hold the request up
		q.Header.Set("Content-Type", r.kind)
		if r.bytes > bodyAsked || r.bytes < 0 {
			q.Header.Set("Expect", "100-continue") // who says no says so before a slide is sent in vain
		}
	}
	for _, h := range r.header {
		q.Header.Set(h[0], h[1])
	}
	if c.cfg.Key != "" {
		q.Header.Set("Authorization", "Bearer "+c.cfg.Key)
	}
	q.Header.Set("User-Agent", c.cfg.Agent)
	res, err = c.http.Do(q)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, nil, &away{err: err}
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, nil, c.refusal(res)
	}
	return res, func() { cut(nil) }, nil
}

// answerError is how the server says what is wrong.
type answerError struct {
	Error struct {
		Message string `json:"message"`
		Details string `json:"details"`
	} `json:"error"`
}

// refusal is what an answer without success means.
func (c *Client) refusal(res *http.Response) error {
	var said answerError
	data, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	known := json.Unmarshal(data, &said) == nil && said.Error.Message != ""
	message, hint := said.Error.Message, said.Error.Details
	if !known {
		message = "it answers " + strings.ToLower(res.Status)
	}
	switch s := res.StatusCode; {
	case s == http.StatusTooManyRequests:
		return &away{err: fault.New(fault.Busy, "%s", message), busy: true, after: retryAfter(res, time.Now())}
	case s == http.StatusServiceUnavailable || s == http.StatusBadGateway || s == http.StatusGatewayTimeout || s == http.StatusRequestTimeout:
		return &away{err: fault.Hint(fault.New(fault.Unavailable, "%s", message), "%s", hint), after: retryAfter(res, time.Now())}
	case s == http.StatusUnauthorized:
		return fault.New(fault.Invalid, "the server at %s: %s: %w", c.base.Host, message, ErrKey)
	case s < 400:
		return fault.Hint(fault.New(fault.Invalid, "the server at %s sends elsewhere", c.base.Host), "name the address that it is at: %s", res.Header.Get("Location"))
	case !known:
		return c.stranger(message)
	}
	return fault.Hint(fault.New(KindOf(res.StatusCode), "%s", message), "%s", hint)
}

// ErrKey says that the server wants a key, or another than it was given.
var ErrKey = errors.New("it asks for a key")

// ErrStranger says that what answers is no bcc server.
var ErrStranger = errors.New("no bcc server")

// stranger says that what answers is no bcc server.
func (c *Client) stranger(how string) error {
	return fault.Hint(fault.New(fault.Unsupported, "what answers at %s is %w: %s", c.base.Host, ErrStranger, how), "check the server's address")
}

// KindOf is the way back from the HTTP status in fault's table to the kind.
func KindOf(status int) fault.Kind {
	for k := fault.Internal; k <= fault.Unavailable; k++ {
		if k.Meaning().Status == status {
			return k
		}
	}
	if status >= 500 {
		return fault.Internal
	}
	return fault.Invalid
}

func retryAfter(res *http.Response, now time.Time) time.Duration {
	text := res.Header.Get("Retry-After")
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	var s int
	if _, err := fmt.Sscanf(text, "%d", &s); err != nil || s < 0 {
		return 0
	}
	return time.Duration(s) * time.Second
}
