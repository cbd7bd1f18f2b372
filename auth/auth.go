// Package auth says who a request comes from and how much it may still ask for.
//
// In: the Authorization header of a request. Out: a Principal, or ErrNone or
// ErrWrong; and from the Limiter whether the principal may ask for more. Keys are
// kept as digests only (keys.go), tokens of others are checked and never issued
// (jwt.go). It knows no HTTP and logs nothing: the server does both.
package auth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// The two ways in which a request has no right to be here: status 401.
var (
	// ErrNone says that there were no credentials.
	ErrNone = errors.New("no credentials: send Authorization: Bearer and a key or token")
	// ErrWrong says that there were, and they are not good; what it is wrapped in says why.
	ErrWrong = errors.New("credentials refused")
)

// Principal is who a request comes from.
type Principal struct {
	// ID is stable and names no person: the key's, or jwt: and a digest of the
	// token's issuer and subject. Empty: anybody, where no credentials are asked for.
	ID    string
	Name  string // of the key, for lists; empty for tokens: their subject may name a person
	Admin bool   // sees the work of others too; keys only
}

// Config says whose credentials are good.
type Config struct {
	// Keys are our own. Default nil: no keys are taken.
	Keys *Keys
	// JWTSecret checks HS256 tokens; 32 bytes or more. Default nil: none are taken.
	JWTSecret []byte
	// JWKS is a file with the RSA keys that check RS256 tokens, read again when it
	// changes. Default empty: none are taken.
	JWKS string
	// Audience must be in a token's aud. It has no default: tokens made for another
	// service must not open this one.
	Audience string
	// Issuer must be a token's iss. Default empty: any.
	Issuer string
	// Open lets requests without credentials in, as the Principal without an ID.
	// Wrong credentials are refused all the same.
	Open bool
	// Registerer takes the metrics. Default nil: nobody does.
	Registerer prometheus.Registerer
}

// minSecret is the size of a key of HS256 at least (RFC 7518, section 3.2).
const minSecret = 32

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	tokens := c.JWTSecret != nil || c.JWKS != ""
	if c.JWTSecret != nil && len(c.JWTSecret) < minSecret {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "JWT secret of %d bytes: want %d or more", len(c.JWTSecret), minSecret),
			"openssl rand -base64 48 makes one"))
	}
	if tokens && c.Audience == "" {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "JWTs without an audience: a token made for another service would open this one"),
			"name the audience that your issuer writes into aud"))
	}
	if !tokens && (c.Audience != "" || c.Issuer != "") {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "an audience or issuer of JWTs, but nothing to check them with"),
			"name a file with the secret or with the JWKS"))
	}
	return errors.Join(errs...)
}

// Verifier checks credentials. It is safe for concurrent use.
type Verifier struct {
	cfg     Config
	tokens  *tokens // nil: none are taken
	metrics metrics
}

// New returns a Verifier. A JWKS that cannot be read is an error now.
func New(cfg Config) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg, metrics: newMetrics(cfg.Registerer)}
	var err error
	v.tokens, err = newTokens(cfg)
	return v, err
}

// maxHeader is the longest Authorization header that is looked at, in bytes: tokens
// of directories with many groups take 4 to 6 kB.
const maxHeader = 8 << 10

// Verify returns who sent the Authorization header: ErrNone where there is none,
// ErrWrong where it is no good; another error says that it could not be checked.
func (v *Verifier) Verify(authorization string) (Principal, error) {
	p, err := v.verify(authorization)
	v.metrics.count(err)
	return p, err
}

func (v *Verifier) verify(authorization string) (Principal, error) {
	if authorization == "" {
		if v.cfg.Open {
			return Principal{}, nil
		}
		return Principal{}, ErrNone
	}
	if len(authorization) > maxHeader {
		return Principal{}, fmt.Errorf("%w: %d bytes: at most %d are read", ErrWrong, len(authorization), maxHeader)
	}
	scheme, credentials, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "bearer") { // RFC 9110, section 11.1: schemes know no case
		return Principal{}, fmt.Errorf("%w: want the scheme Bearer", ErrWrong)
	}
	credentials = strings.TrimSpace(credentials)
	switch {
	case strings.HasPrefix(credentials, tokenPrefix):
		if v.cfg.Keys == nil {
			return Principal{}, fmt.Errorf("%w: no keys are taken here", ErrWrong)
		}
		return v.cfg.Keys.verify(credentials)
	case v.tokens == nil:
		return Principal{}, fmt.Errorf("%w: not a key of this program", ErrWrong)
	default:
		return v.tokens.verify(credentials)
	}
}
