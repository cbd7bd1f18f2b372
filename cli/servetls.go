package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"bcc/disk"
	"bcc/fault"
)

// listenFlags say where the server listens and how connections are encrypted.
type listenFlags struct {
	addr, port, addrFile string
	cert, key            string
	domains              []string
	email, directory     string
}

const defaultHost, defaultPort = "127.0.0.1", "8000"

func (f *listenFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.addr, "addr", "", "host:port to listen on; empty: "+defaultHost+" and --port. Port 0: any that is free")
	fs.StringVar(&f.port, "port", defaultPort, "port on "+defaultHost+", where --addr is not given")
	fs.StringVar(&f.addrFile, "addr-file", "", "write the address that is listened on to this file")
}

func (f *listenFlags) registerTLS(fs *pflag.FlagSet) {
	fs.StringVar(&f.cert, "tls-cert", "", "file with the certificate and its chain, PEM; read again when it changes")
	fs.StringVar(&f.key, "tls-key", "", "file with the certificate's key, PEM")
	fs.StringSliceVar(&f.domains, "acme-domain", nil, "get a certificate for this name by ACME (Let's Encrypt); the address must be reached as its port 443")
	fs.StringVar(&f.email, "acme-email", "", "where the issuer writes to when something is wrong with the certificate")
	fs.StringVar(&f.directory, "acme-directory", acme.LetsEncryptURL, "address of the ACME issuer")
}

// address returns the host:port that the flags name.
func (f *listenFlags) address() (string, error) {
	addr := f.addr
	if addr == "" {
		addr = net.JoinHostPort(defaultHost, f.port)
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return "", fault.Hint(fault.New(fault.Invalid, "--addr %q: %w", addr, err), "write 127.0.0.1:8000, or :8000 for every address of this computer")
	}
	return addr, nil
}

// config returns how connections are encrypted: nil for not at all.
func (f *listenFlags) config(data string, log *slog.Logger) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	switch {
	case (f.cert == "") != (f.key == ""):
		return nil, fault.New(fault.Invalid, "--tls-cert and --tls-key belong together: one is missing")
	case f.cert != "" && len(f.domains) > 0:
		return nil, fault.New(fault.Invalid, "--tls-cert and --acme-domain: only one of them can bring the certificate")
	case f.cert != "":
		files := &certFiles{cert: f.cert, key: f.key, log: log}
		if err := files.load(); err != nil {
			return nil, fault.New(fault.Invalid, "certificate: %w", err)
		}
		cfg.GetCertificate = files.get
	case len(f.domains) > 0:
		m := &autocert.Manager{
			Prompt: autocert.AcceptTOS, Email: f.email, HostPolicy: autocert.HostWhitelist(f.domains...),
			Cache:  autocert.DirCache(filepath.Join(data, "acme")),
			Client: &acme.Client{DirectoryURL: f.directory},
		}
		cfg.GetCertificate = m.GetCertificate
		cfg.NextProtos = append(cfg.NextProtos, acme.ALPNProto)
	default:
		return nil, nil
	}
	return cfg, nil
}

// listen opens the address.
func (f *listenFlags) listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fault.Hint(fault.New(fault.Unavailable, "listen: %w", err), "--addr names another address, port 0 any that is free")
	}
	if f.addrFile != "" {
		// Whole or not there: scripts wait for it.
		if err := disk.Write(f.addrFile, []byte(ln.Addr().String()+"\n")); err != nil {
			return nil, errors.Join(fault.New(fault.Unavailable, "--addr-file: %w", err), ln.Close())
		}
	}
	return ln, nil
}

// certFiles is a certificate that somebody else renews in place.
type certFiles struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	seen    [2]time.Time // when the files were last written
	present *tls.Certificate
}

// get returns the certificate; of one that was replaced badly, the one before.
func (c *certFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.modified() != c.seen {
		if err := c.load(); err != nil {
			c.log.Error("certificate not read again", "error", err)
		}
	}
	return c.present, nil
}

func (c *certFiles) load() error {
	c.seen = c.modified() // before it is read: a change meanwhile is seen next time
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err == nil {
		c.present = &pair
	}
	return err
}

func (c *certFiles) modified() (at [2]time.Time) {
	for i, path := range []string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}
