package fetch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"bcc/fault"
)

// special are the networks that are no part of the public internet, or stand for
// others: IANA's registries of special-purpose addresses, IPv4 (RFC 6890 and after)
// and IPv6, where only 2000::/3 is in use for hosts.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"168.63.129.16/32",           // Azure's own services, in public clothes
	"2001::/23",                  // Teredo, ORCHID, benchmarks
	"2001:db8::/32", "3fff::/20", // documents
	"2002::/16", // 6to4, which holds an IPv4 address
)

var (
	global6 = netip.MustParsePrefix("2000::/3")
	nat64   = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last four bytes are an IPv4 address
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParsePrefix(t)
	}
	return all
}

// plain returns the address that is meant: IPv4 out of the IPv6 forms of it.
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// public reports whether an address belongs to the public internet.
func public(a netip.Addr) bool {
	if a = plain(a); !a.IsValid() || a.Is6() && !global6.Contains(a) {
		return false
	}
	return !contains(special, a)
}

func contains(all []netip.Prefix, a netip.Addr) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// resolve returns a host's addresses when each of them may be reached. One that may
// not refuses all: a name with such an address among its own means no good.
// Unencrypted, only the networks that were named may be reached.
func (f *Fetcher) resolve(ctx context.Context, host string, unencrypted bool) ([]netip.Addr, error) {
	addrs, err := f.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		a = plain(a)
		// The error does not say which address: a client could draw a map of our
		// network with it.
		switch inside := contains(f.cfg.Networks, a); {
		case inside:
		case !public(a):
			return nil, refuse("use a host that can be reached publicly, or ask whoever runs the server to allow its network", "host %.100s does not lie in the public internet", host)
		case unencrypted:
			return nil, refuse("write https://", "host %.100s: http is not encrypted and is allowed in named networks only", host)
		}
	}
	return addrs, nil
}

func (f *Fetcher) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	timed, cancel := context.WithTimeout(ctx, f.cfg.IdleTimeout)
	defer cancel()
	addrs, err := f.cfg.Resolver.LookupNetIP(timed, "ip", host)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound || err == nil && len(addrs) == 0 {
		return nil, fault.New(fault.Invalid, "fetch: there is no host %.100s", host)
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "fetch: ask for the addresses of %.100s: %w", host, nameless(err))
	}
	return addrs, nil
}

// nameless takes servers' addresses out of an error of the network.
func nameless(err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New(dns.Err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// unencryptedKey marks the context of a request that is not encrypted.
type unencryptedKey struct{}

// dial connects to a host by addresses that were looked at this moment: whatever its
// name meant when it was checked, and whatever it will mean, that is what is reached.
func (f *Fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fault.New(fault.Invalid, "fetch: the address has no port: %w", err)
	}
	unencrypted, _ := ctx.Value(unencryptedKey{}).(bool)
	addrs, err := f.resolve(ctx, host, unencrypted)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: min(f.cfg.IdleTimeout, 10*time.Second)}
	for _, a := range addrs {
		var c net.Conn
		if c, err = dialer.DialContext(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, fault.New(fault.Unavailable, "fetch: connect to %.100s: %w", host, nameless(err))
}
