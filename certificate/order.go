package certificate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// order asks the issuer for a certificate of a fresh key and returns it, and the same
// as a PEM file: the key, the certificate, its chain.
func (k *Keeper) order(ctx context.Context, n *name) (*tls.Certificate, []byte, error) {
	// A client of its own for each attempt: nothing that an earlier one learned of the
	// issuer (its addresses, our account there) is in the way when it was set up anew.
	client := &acme.Client{Key: k.account, DirectoryURL: k.cfg.Directory, HTTPClient: k.http, UserAgent: "bcc", RetryBackoff: retry}
	account := &acme.Account{}
	if k.cfg.Email != "" {
		account.Contact = []string{"mailto:" + k.cfg.Email}
	}
	if _, err := client.Register(ctx, account, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, nil, fmt.Errorf("register: %w", err)
	}
	o, err := client.AuthorizeOrder(ctx, acme.DomainIDs(n.ascii))
	if err != nil {
		return nil, nil, fmt.Errorf("order: %w", err)
	}
	for _, at := range o.AuthzURLs {
		if err := prove(ctx, client, n, at); err != nil {
			return nil, nil, fmt.Errorf("prove the name: %w", err)
		}
	}
	if o, err = client.WaitOrder(ctx, o.URI); err != nil {
		return nil, nil, fmt.Errorf("order: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	wish, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{n.ascii}}, key)
	if err != nil {
		return nil, nil, err
	}
	chain, _, err := client.CreateCertFromOrder(ctx, o, wish, true)
	if err != nil {
		return nil, nil, fmt.Errorf("sign: %w", err)
	}
	kept, err := encode(key, chain)
	if err != nil {
		return nil, nil, err
	}
	c, err := decode(kept, n.ascii)
	if err != nil {
		return nil, nil, fmt.Errorf("the issuer signed something else: %w", err)
	}
	return c, kept, nil
}

// prove shows the issuer that the name leads here, where it does not know so already.
func prove(ctx context.Context, client *acme.Client, n *name, at string) error {
	z, err := client.GetAuthorization(ctx, at)
	if err != nil || z.Status == acme.StatusValid {
		return err
	}
	var offered []string
	for _, c := range z.Challenges {
		if offered = append(offered, c.Type); c.Type != "tls-alpn-01" {
			continue
		}
		proof, err := client.TLSALPN01ChallengeCert(c.Token, n.ascii)
		if err != nil {
			return err
		}
		n.proof.Store(&proof)
		defer n.proof.Store(nil)
		if _, err := client.Accept(ctx, c); err != nil {
			return err
		}
		_, err = client.WaitAuthorization(ctx, at)
		return err
	}
	return fmt.Errorf("the issuer does not take tls-alpn-01, but %s", strings.Join(offered, ", "))
}

// retry repeats what an issuer could not do at the moment (and nonces it has forgotten)
// for some seconds. What lasts longer is told in the log and tried anew later.
func retry(n int, _ *http.Request, res *http.Response) time.Duration {
	if n > 4 || res != nil && res.StatusCode == http.StatusTooManyRequests {
		return -1
	}
	return time.Duration(n) * 250 * time.Millisecond
}

func encode(key *ecdsa.PrivateKey, chain [][]byte) ([]byte, error) {
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for _, der := range chain {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	return b.Bytes(), nil
}

// decode reads what encode wrote, with a certificate for the name.
func decode(kept []byte, name string) (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(kept, kept) // it takes from a file the blocks it looks for
	if err != nil {
		return nil, err
	}
	return &c, c.Leaf.VerifyHostname(name)
}
