package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"golang.org/x/crypto/acme"

	"bcc/certificate"
	"bcc/disk"
	"bcc/fault"
)

// listenFlags say where the server listens and how connections are encrypted.
type listenFlags struct {
	addr, port, addrFile string
	cert, key            string
	domains              []string
	email, directory, ca string
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
	fs.StringSliceVar(&f.domains, "acme-domain", nil, "get a certificate for this name by ACME (Let's Encrypt), accepting the issuer's terms; the address must be reached as its port 443; may be given again")
	fs.StringVar(&f.email, "acme-email", "", "where the issuer writes to when something is wrong with the certificate")
	fs.StringVar(&f.directory, "acme-directory", acme.LetsEncryptURL, "https address of the ACME issuer's directory")
	fs.StringVar(&f.ca, "acme-ca", "", "file with the roots that the issuer's own HTTPS is trusted by, PEM, for an issuer inside; empty: this computer's")
}

// address returns the host:port that the flags name.
func (f *listenFlags) address() (string, error) {
	addr := f.addr
	if addr == "" {
		addr = net.JoinHostPort(defaultHost, f.port)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fault.Hint(fault.New(fault.Invalid, "--addr %q: %w", addr, err), "write 127.0.0.1:8000, or :8000 for every address of this computer")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fault.New(fault.Invalid, "port %q: want 0 to 65535", port)
	}
	return addr, nil
}

// encryption is how connections are encrypted.
type encryption struct {
	config *tls.Config         // nil: not at all
	keeper *certificate.Keeper // nil: the certificate is no business of ours
	host   string              // under which the certificate is good; empty: not known here
}

// encryption returns how connections are encrypted, with what was kept in the folder.
func (f *listenFlags) encryption(data string, log *slog.Logger, r prometheus.Registerer) (*encryption, error) {
	cfg, err := certificateOf("--tls-cert", f.cert, "--tls-key", f.key, log)
	if err != nil {
		return nil, err
	}
	protocols := []string{"h2", "http/1.1"}
	switch {
	case f.cert != "" && len(f.domains) > 0:
		return nil, fault.New(fault.Invalid, "--tls-cert and --acme-domain: only one of them can bring the certificate")
	case f.cert != "":
		cfg.NextProtos = protocols
		return &encryption{config: cfg}, nil
	case len(f.domains) > 0:
		roots, err := readRoots("--acme-ca", f.ca)
		if err != nil {
			return nil, err
		}
		keeper, err := certificate.New(certificate.Config{
			Names: f.domains, Email: f.email, Directory: f.directory, Roots: roots,
			Dir: filepath.Join(data, "acme"), Logger: log, Registerer: r,
		})
		if err != nil {
			return nil, err
		}
		cfg = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: keeper.Get, NextProtos: append(protocols, acme.ALPNProto)}
		return &encryption{config: cfg, keeper: keeper, host: f.domains[0]}, nil
	}
	return &encryption{}, nil
}

// certificateOf returns how connections are encrypted with the certificate of two files,
// which two flags name; nil without them.
func certificateOf(certFlag, cert, keyFlag, key string, log *slog.Logger) (*tls.Config, error) {
	if (cert == "") != (key == "") {
		return nil, fault.New(fault.Invalid, "%s and %s belong together: one is missing", certFlag, keyFlag)
	}
	if cert == "" {
		return nil, nil
	}
	files := &certFiles{cert: cert, key: key, log: log}
	if err := files.load(); err != nil {
		return nil, fault.New(fault.Invalid, "certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: files.get}, nil
}

// readRoots reads certificates that others are trusted by, which a flag names; nil
// without a file.
func readRoots(flag, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "%s: %w", flag, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, fault.New(fault.Invalid, "%s %s: no certificate in it: want PEM", flag, path)
	}
	return roots, nil
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
