package cli

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"bcc/auth"
	"bcc/fault"
)

// accessFlags say who may ask, and how much.
type accessFlags struct {
	jwt struct{ secretFile, jwks, audience, issuer string }

	open    bool
	proxies []string
	limits  auth.Limits
}

func (f *accessFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.jwt.secretFile, "jwt-secret-file", "", "file with the secret of HS256 tokens, 32 bytes or more")
	fs.StringVar(&f.jwt.jwks, "jwt-jwks", "", "file with the public keys of RS256 tokens, a JWK set")
	fs.StringVar(&f.jwt.audience, "jwt-audience", "", "what a token's aud must hold; asked for where tokens are taken")
	fs.StringVar(&f.jwt.issuer, "jwt-issuer", "", "what a token's iss must be; empty: any")
	fs.BoolVar(&f.open, "open-to-everyone", false, "let anybody in who reaches the address, without a key or token")
	fs.StringSliceVar(&f.proxies, "trusted-proxy", nil, "network whose X-Forwarded headers count, as 10.0.0.0/8; may be given again")
	f.limits = auth.DefaultLimits()
	fs.IntVar(&f.limits.PerMinute, "limit-minute", f.limits.PerMinute, "requests for work a minute and key; 0: no limit")
	fs.IntVar(&f.limits.PerDay, "limit-day", f.limits.PerDay, "requests for work a day and key; 0: no limit")
	fs.IntVar(&f.limits.PatchesPerDay, "limit-patches-day", f.limits.PatchesPerDay, "patches scored a day and key; 0: no limit")
}

// access is who may ask, and how much.
type access struct {
	verifier *auth.Verifier
	limiter  *auth.Limiter
	proxies  []netip.Prefix
	local    bool   // nobody is asked, because only this computer is answered
	state    string // in words, for the start
}

// openAccess opens the keys of the data folder and reads what the flags name. An
// address that others can reach wants credentials, or words that say that it does not;
// public is a server whose name leads here from elsewhere.
func (f *accessFlags) openAccess(ctx context.Context, addr string, public bool, data string, r prometheus.Registerer) (*access, error) {
	proxies, err := networks("--trusted-proxy", f.proxies)
	if err != nil {
		return nil, err
	}
	keys, err := openKeys(data)
	if err != nil {
		return nil, err
	}
	cfg := auth.Config{Keys: keys, JWKS: f.jwt.jwks, Audience: f.jwt.audience, Issuer: f.jwt.issuer, Registerer: r}
	if cfg.JWTSecret, err = readSecret(f.jwt.secretFile); err != nil {
		return nil, err
	}
	good, err := goodKeys(keys)
	if err != nil {
		return nil, err
	}
	asks := good > 0 || cfg.JWTSecret != nil || cfg.JWKS != ""
	cfg.Open = f.open || !asks
	a := &access{proxies: proxies, state: "asked for: Authorization: Bearer and a key or token"}
	switch {
	case f.open:
		a.state = "off: ANYBODY who reaches this address may use it and sees all work that was sent without a key"
	case asks:
	case len(proxies) > 0:
		// What comes through a proxy on this machine comes from elsewhere all the same.
		return nil, wantsCredentials("behind a proxy", data)
	case public:
		return nil, wantsCredentials("under a name that an issuer reaches", data)
	case !loopback(ctx, addr):
		return nil, wantsCredentials(addr, data)
	default:
		a.local = true
		a.state = "off: only this computer reaches the address; restart after the first key is made"
	}
	if a.verifier, err = auth.New(cfg); err != nil {
		return nil, err
	}
	a.limiter, err = auth.NewLimiter(f.limits, filepath.Join(data, "auth", "usage.json"))
	return a, err
}

func wantsCredentials(where, data string) error {
	return fault.Hint(fault.New(fault.Invalid, "serve %s without a key or token: anybody who reaches it could use it and see the slides", where),
		"bcc serve keys make --data %s --name NAME makes a key; --open-to-everyone serves without", data)
}

func goodKeys(keys *auth.Keys) (n int, err error) {
	all, err := keys.List()
	for _, k := range all {
		if !k.Expired(time.Now()) {
			n++
		}
	}
	return n, err
}

// readSecret reads a secret out of a file, without the end of its line.
func readSecret(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "--jwt-secret-file: %w", err)
	}
	return append([]byte{}, bytes.TrimRight(data, "\r\n")...), nil
}

// loopback reports whether only this computer reaches the address.
func loopback(ctx context.Context, addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return false
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for _, ip := range ips {
		if !ip.Unmap().IsLoopback() {
			return false
		}
	}
	return err == nil && len(ips) > 0
}

// networks reads networks, or single addresses.
func networks(flag string, texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if a, single := netip.ParseAddr(text); single == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s %q: want a network such as 10.0.0.0/8", flag, text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}
