package cli

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"bcc/client"
	"bcc/fault"
	"bcc/telemetry"
)

// askFlags are the flags of every command that asks a server.
type askFlags struct {
	server   string
	patience time.Duration
}

func (f *askFlags) register(fs *pflag.FlagSet) {
	d := client.DefaultConfig()
	fs.StringVar(&f.server, "server", d.Server, "address of bcc serve. A key, where it asks for one, comes from BCC_KEY")
	fs.DurationVar(&f.patience, "patience", d.Patience, "how long a server that does not answer is asked again")
}

// open returns a client that tells a person, through note, why it waits. Its key comes
// from the environment only: arguments are read by every user of the machine.
func (f *askFlags) open(note func(line string)) (*client.Client, error) {
	cfg := client.DefaultConfig()
	cfg.Server, cfg.Patience, cfg.Key = f.server, f.patience, strings.TrimSpace(os.Getenv("BCC_KEY"))
	cfg.Agent, cfg.Note = "bcc/"+telemetry.Version, note
	c, err := client.New(cfg)
	if err != nil {
		return nil, fault.New(fault.Of(err), "--server: %w", err)
	}
	if cfg.Key != "" && readable(c.Server()) {
		note("NOT ENCRYPTED: the key and the slides can be read on their way to " + f.server)
	}
	return c, nil
}

// readable reports whether what goes to the address passes a network as plain text.
func readable(server string) bool {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err != nil || !ip.IsLoopback()
}

// asked adds to an error of the server what a person at a command line can do.
func asked(err error) error {
	if !errors.Is(err, client.ErrKey) {
		return err
	}
	if os.Getenv("BCC_KEY") == "" {
		return fault.Hint(err, "set BCC_KEY to a key of that server; bcc serve keys make makes one there")
	}
	return fault.Hint(err, "the key in BCC_KEY is none of that server, or over")
}

// askedOf is asked where a cohort was named.
func askedOf(err error) error {
	if fault.Of(err) == fault.NotFound && fault.HintOf(err) == "" {
		return fault.Hint(err, "bcc status lists the cohorts that the key may see")
	}
	return asked(err)
}

// hostOf is a server in a sentence.
func hostOf(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	if host, port, err := net.SplitHostPort(u.Host); err == nil && (port == "80" || port == "443") {
		return host
	}
	return u.Host
}

// note returns a function that prints a line for a person.
func (std Streams) note() func(string) {
	return func(line string) { fmt.Fprintf(std.Err, "bcc: %s\n", printable(line)) }
}
