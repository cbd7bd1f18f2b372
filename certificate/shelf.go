package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bcc/disk"
	"bcc/fault"
)

// shelf is the folder of one issuer: account.pem, and name-NAME.pem for each name, mode 0600.
// Another issuer has another folder, so that a certificate of a rehearsal (Let's
// Encrypt has an issuer for that) is not served when it becomes serious.
type shelf string

// newShelf returns the folder of an issuer, named after its address.
func newShelf(dir, directory string) shelf {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(strings.TrimPrefix(directory, "https://")))
	return shelf(filepath.Join(dir, plain))
}

const accountFile = "account.pem"

// account returns the key that the issuer knows this server by, making it once.
func (s shelf) account() (*ecdsa.PrivateKey, error) {
	path := filepath.Join(string(s), accountFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s.newAccount(path)
	} else if err != nil {
		return nil, fault.New(fault.Unavailable, "account of the certificate's issuer: %w", err)
	}
	if block, _ := pem.Decode(data); block != nil {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if ec, ok := key.(*ecdsa.PrivateKey); ok {
				return ec, nil
			}
		}
	}
	return nil, fault.Hint(fault.New(fault.Corrupt, "account of the certificate's issuer: %s holds no key", path),
		"take the file away: another account is made")
}

func (s shelf) newAccount(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	data, err := encode(key, nil)
	if err == nil {
		err = s.write(path, data)
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "account of the certificate's issuer: %w", err)
	}
	return key, nil
}

// load returns the certificate that is kept for a name; nil where there is none.
func (s shelf) load(name string) (*tls.Certificate, error) {
	data, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return decode(data, name)
}

func (s shelf) save(name string, data []byte) error { return s.write(s.path(name), data) }

func (s shelf) write(path string, data []byte) error {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return err
	}
	return disk.WriteSecret(path, data)
}

// path is the file of a name; none is called like the account's.
func (s shelf) path(name string) string { return filepath.Join(string(s), "name-"+name+".pem") }
