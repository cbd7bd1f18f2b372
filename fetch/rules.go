package fetch

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"bcc/fault"
)

// hostRule is one entry of Config.Hosts.
type hostRule struct {
	name  string // small letters; empty: every host
	below bool   // names below name, not name itself
	port  string // empty: the scheme's own; *: any
}

// parseHost reads an entry of the list, which people write.
func parseHost(text string) (hostRule, error) {
	rule := hostRule{name: text}
	if name, port, err := net.SplitHostPort(text); err == nil {
		rule.name, rule.port = name, port
		if _, err := strconv.ParseUint(port, 10, 16); err != nil && port != "*" {
			return rule, fault.New(fault.Invalid, "allowed host %q: port %q is none", text, port)
		}
	} else if strings.HasPrefix(text, "[") || strings.Count(text, ":") == 1 {
		return rule, fault.New(fault.Invalid, "allowed host %q: want a name, name:port or [address]:port", text)
	}
	if rule.name == "*" {
		rule.name = ""
		return rule, nil
	}
	rule.name = strings.TrimSuffix(strings.ToLower(rule.name), ".")
	if name, ok := strings.CutPrefix(rule.name, "*."); ok {
		rule.name, rule.below = name, true
	}
	if rule.name == "" || strings.ContainsAny(rule.name, "*/@ ?#%\\") {
		return rule, fault.Hint(fault.New(fault.Invalid, "allowed host %q is none", text), `write "data.example.org", "*.example.org" or "*"`)
	}
	return rule, nil
}

func (r hostRule) allows(u *url.URL) bool {
	host := hostOf(u)
	switch {
	case r.name == "":
	case r.below && !strings.HasSuffix(host, "."+r.name), !r.below && host != r.name:
		return false
	}
	port := u.Port()
	if r.port == "" {
		return port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80"
	}
	return r.port == "*" || r.port == port || port == "" && (u.Scheme == "https" && r.port == "443" || u.Scheme == "http" && r.port == "80")
}

// hostOf returns the host as rules compare it.
func hostOf(u *url.URL) string { return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") }

// checkURL reads a web address and looks for it on the lists. Its errors name the
// host, and nothing behind it: paths and queries hold names and keys.
func (f *Fetcher) checkURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || strings.ContainsAny(address, "\\\r\n\t ") {
		return nil, fault.New(fault.Invalid, "fetch: the address is malformed")
	}
	return u, f.allowURL(u)
}

// allowURL is the one gate: addresses of clients and of redirects pass it.
func (f *Fetcher) allowURL(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse("only https is followed", "redirected to an address of the kind %.20q", u.Scheme)
	case host == "" || u.Opaque != "":
		return fault.New(fault.Invalid, "fetch: the address has no host")
	case u.User != nil:
		return refuse("use an address that is signed, not one with a password", "host %.100s: names and passwords in addresses are not sent", host)
	case strings.ContainsFunc(host, func(r rune) bool { return r > 0x7e || r <= ' ' || r == '%' }):
		return fault.Hint(fault.New(fault.Invalid, "fetch: host %.100q holds letters that names do not", host), "write international names in their xn-- form")
	}
	for _, rule := range f.hosts {
		if rule.allows(u) {
			return nil
		}
	}
	return refuse("ask whoever runs the server to allow the host", "host %.100s is not on the list", u.Host)
}

// bucketRule is one entry of Config.Buckets.
type bucketRule struct{ name, prefix string } // the prefix ends with a slash or is empty

func parseBucket(text string) (bucketRule, error) {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(text, "s3://"), "/")
	if name == "" || strings.ContainsAny(name, "*@:?# ") {
		return bucketRule{}, fault.New(fault.Invalid, "allowed bucket %q: want bucket or bucket/prefix", text)
	}
	if prefix = strings.TrimSuffix(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return bucketRule{name, prefix}, nil
}

// checkS3 takes s3://bucket/key apart; the key is taken as it stands.
func (f *Fetcher) checkS3(address string) (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(address[len("s3://"):], "/")
	switch {
	case bucket == "" || key == "" || strings.HasSuffix(key, "/"):
		return "", "", fault.New(fault.Invalid, "fetch: want s3://bucket/key")
	case strings.ContainsAny(bucket, "@:?#%"):
		return "", "", refuse("name the bucket only", "credentials and ports in s3 addresses are not used")
	case len(key) > 1024 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", "", fault.New(fault.Invalid, "fetch: bucket %.70s: the key is longer than 1024 bytes or holds control characters", bucket)
	}
	// Servers over a file system may take these for folders.
	for part := range strings.SplitSeq(key, "/") {
		if part == "." || part == ".." {
			return "", "", fault.New(fault.Invalid, "fetch: bucket %.70s: a key with . or .. in it", bucket)
		}
	}
	for _, rule := range f.buckets {
		if rule.name == bucket && strings.HasPrefix(key, rule.prefix) {
			return bucket, key, nil
		}
	}
	return "", "", refuse("ask whoever runs the server to allow the bucket", "bucket %.70s, or this part of it, is not on the list", bucket)
}
