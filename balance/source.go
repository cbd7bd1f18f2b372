package balance

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"bcc/fault"
)

// Source says who the members are. Members calls set at once with those that it knows,
// and again whenever they change, until ctx ends. What it cannot find out it says by
// trouble of its own; it never calls set with nobody because somebody could not be
// asked.
type Source interface {
	Members(ctx context.Context, set func([]*url.URL)) error
}

// Address returns a member's address out of what a person writes: a URL, or host:port.
func Address(s string) (*url.URL, error) {
	full := s
	if !strings.Contains(s, "://") {
		full = "http://" + s
	}
	u, err := url.Parse(full)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		err = fault.New(fault.Invalid, "member %.200q is no address", s)
	case u.Scheme != "http" && u.Scheme != "https":
		err = fault.New(fault.Invalid, "member %.200q: want http or https", s)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		err = fault.New(fault.Invalid, "member %q: want no user, query or fragment", u.Redacted())
	}
	if err != nil {
		return nil, fault.Hint(err, "http://host:8000")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// addresses reads many, each once.
func addresses(list []string) ([]*url.URL, error) {
	var urls []*url.URL
	for _, s := range list {
		u, err := Address(s)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(urls, func(other *url.URL) bool { return other.String() == u.String() }) {
			urls = append(urls, u)
		}
	}
	return urls, nil
}

// list never changes.
type list []*url.URL

// List returns a source of members that stay.
func List(members ...string) (Source, error) {
	urls, err := addresses(members)
	if err == nil && len(urls) == 0 {
		err = fault.Hint(fault.New(fault.Invalid, "no member is named"), "--to http://host:8000")
	}
	return list(urls), err
}

func (l list) Members(ctx context.Context, set func([]*url.URL)) error {
	set(l)
	<-ctx.Done()
	return ctx.Err()
}

// file has a member a line.
type file struct {
	path    string
	every   time.Duration
	trouble func(error)
}

// File returns a source that reads a file, a member a line, and again when it changes.
// Empty lines and what follows a # do not count. A file that is wrong is told to
// trouble and changes nothing.
func File(path string, every time.Duration, trouble func(error)) (Source, error) {
	f := file{path, every, trouble}
	_, err := f.read()
	return f, err
}

func (f file) read() ([]*url.URL, error) {
	data, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "members: %w", err)
	}
	var names []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if _, err := Address(line); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", f.path, n, err)
		}
		names = append(names, line)
	}
	if err := lines.Err(); err != nil {
		return nil, fault.New(fault.Invalid, "%s: %w", f.path, err)
	}
	urls, err := addresses(names)
	if err == nil && len(urls) == 0 {
		err = fault.New(fault.Invalid, "%s names no member", f.path)
	}
	return urls, err
}

func (f file) Members(ctx context.Context, set func([]*url.URL)) error {
	return poll(ctx, f.every, f.trouble, func(context.Context) ([]*url.URL, error) { return f.read() }, set)
}

// names are addresses behind a name.
type names struct {
	base    *url.URL
	every   time.Duration
	trouble func(error)
}

// DNS returns a source of all addresses that a name has, asked again and again: a
// headless Service of Kubernetes, a name with several records.
func DNS(member string, every time.Duration, trouble func(error)) (Source, error) {
	u, err := Address(member)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return nil, fault.Hint(fault.New(fault.Invalid, "%s is an address, not a name", u.Hostname()), "--to takes addresses")
	}
	if u.Scheme == "https" {
		return nil, fault.Hint(fault.New(fault.Invalid, "%s: certificates are for names, and members found by one have addresses", u), "name each with --to, or ask them without TLS")
	}
	return names{u, every, trouble}, nil
}

func (n names) Members(ctx context.Context, set func([]*url.URL)) error {
	return poll(ctx, n.every, n.trouble, func(ctx context.Context) ([]*url.URL, error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", n.base.Hostname())
		if err != nil {
			return nil, fault.New(fault.Unavailable, "members: %w", err)
		}
		var list []string
		for _, a := range all {
			u := *n.base
			u.Host = a.Unmap().String()
			if port := n.base.Port(); port != "" {
				u.Host = net.JoinHostPort(u.Host, port)
			} else if a.Is6() && !a.Is4In6() {
				u.Host = "[" + u.Host + "]"
			}
			list = append(list, u.String())
		}
		return addresses(list)
	}, set)
}

// poll asks again and again, and tells what changed. Trouble is told once as long as it
// stays the same.
func poll(ctx context.Context, every time.Duration, trouble func(error), ask func(context.Context) ([]*url.URL, error), set func([]*url.URL)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last string
	for {
		urls, err := ask(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			last = ""
			set(urls)
		case err.Error() != last:
			last = err.Error()
			trouble(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
