package client

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"bcc/fault"
)

// Config says which server is asked, and how patiently.
type Config struct {
	Server string // http:// or https://, host, and a path where a proxy has one. Default http://127.0.0.1:8000
	Key    string // sent as Authorization: Bearer; empty: none

	// Patience is how long a server that does not answer, or answers 503, is asked
	// again. Default 2 min: a restart takes seconds.
	Patience time.Duration
	// Busy is the same for a server that says to come later (429): it lives, and says
	// when. Default 24 h.
	Busy time.Duration

	Dial    time.Duration // for a connection. Default 10 s
	Answer  time.Duration // from the end of a request to the answer's first byte. Default 5 min: 50,000 slides are submitted in less
	Silence time.Duration // without a byte a stream or an upload has broken off. Default 45 s, three heartbeats of the server

	Agent string            // the User-Agent. Default bcc
	Note  func(line string) // hears why it waits, a line each time; nil: nobody does
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Server: "http://127.0.0.1:8000", Agent: "bcc",
		Patience: 2 * time.Minute, Busy: 24 * time.Hour,
		Dial: 10 * time.Second, Answer: 5 * time.Minute, Silence: 45 * time.Second,
	}
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	_, server := parseServer(c.Server)
	errs := []error{server}
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Invalid, format, args...))
		}
	}
	bad(strings.ContainsFunc(c.Key, func(r rune) bool { return r <= ' ' || r > '~' }), "the key holds signs that no key has")
	bad(c.Patience < 0 || c.Busy < 0, "a patience of %v, %v with a busy server: want 0 or more", c.Patience, c.Busy)
	bad(c.Dial <= 0 || c.Answer <= 0 || c.Silence <= 0, "waits of %v, %v, %v: want more than 0", c.Dial, c.Answer, c.Silence)
	return errors.Join(errs...)
}

// parseServer reads the address of a server. It is not repeated where it holds a
// password.
func parseServer(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fault.Hint(fault.New(fault.Invalid, "the server's address is neither http:// nor https://"), "write it as http://127.0.0.1:8000")
	case u.User != nil:
		return nil, fault.New(fault.Invalid, "the server's address holds a name or password: keys are given apart from it")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fault.New(fault.Invalid, "the server's address %s holds more than host and path", u.Redacted())
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}
