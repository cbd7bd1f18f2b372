package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"bcc/fault"
)

// writeCert writes a certificate for 127.0.0.1 with the serial number, and its key.
func writeCert(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARenewedCertificateIsServedAndABrokenOneIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := listenFlags{cert: filepath.Join(dir, "c.pem"), key: filepath.Join(dir, "k.pem")}
	writeCert(t, f.cert, f.key, 1)
	var said bytes.Buffer
	how, err := f.encryption(dir, slog.New(slog.NewTextHandler(&said, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		c, err := how.config.GetCertificate(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.Int64()
	}
	later := time.Now() // a file system may tell times apart by no less than this
	touch := func() {
		later = later.Add(time.Minute)
		if err := os.Chtimes(f.cert, later, later); err != nil {
			t.Fatal(err)
		}
	}
	if n := serial(); n != 1 {
		t.Fatalf("certificate %d, want the first", n)
	}
	writeCert(t, f.cert, f.key, 2)
	touch()
	if n := serial(); n != 2 {
		t.Errorf("certificate %d, want the renewed one", n)
	}
	if err := os.WriteFile(f.cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	touch()
	if n := serial(); n != 2 || said.Len() == 0 {
		t.Errorf("certificate %d, want the one before, and a word of it: %q", n, &said)
	}
}

func TestCertificatesThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]listenFlags{
		"no key":       {cert: "c.pem"},
		"both sources": {cert: "c.pem", key: "k.pem", domains: []string{"a.example.org"}},
		"no such file": {cert: "/nowhere/c.pem", key: "/nowhere/k.pem"},
		"wildcard":     {domains: []string{"*.example.org"}, directory: acme.LetsEncryptURL},
		"no HTTPS":     {domains: []string{"a.example.org"}, directory: "http://ca.example.org/"},
		"no roots":     {domains: []string{"a.example.org"}, directory: acme.LetsEncryptURL, ca: "servetls_test.go"},
	} {
		if _, err := f.encryption(t.TempDir(), slog.New(slog.DiscardHandler), nil); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v: want it refused", name, err)
		}
	}
	if how, err := (&listenFlags{}).encryption("", nil, nil); err != nil || how.config != nil {
		t.Errorf("%v, %v: want none where none is asked for", how, err)
	}
}

func TestAnAddressThatOthersReachWithoutEncryptionIsSaidSo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		addr string
		how  encryption
		want bool
	}{
		{"0.0.0.0:0", encryption{}, true},
		{"0.0.0.0:0", encryption{config: &tls.Config{MinVersion: tls.VersionTLS12}}, false},
		{"127.0.0.1:0", encryption{}, false},
	} {
		s := &service{access: &access{state: "asked for"}}
		if err := s.listen(t.Context(), &serveFlags{}, c.addr, &c.how); err != nil {
			t.Fatal(err)
		}
		s.listener.Close()
		if got := strings.Contains(s.access.state, "NOT ENCRYPTED"); got != c.want {
			t.Errorf("%s, %+v: %q", c.addr, c.how, s.access.state)
		}
	}
}
