package auth

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"

	"bcc/fault"
)

// minRSABits is the size of a key at least (RFC 7518, section 3.3); maxRSABits keeps
// a check of a signature under a millisecond.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// parseJWKS reads the keys for RS256 of a JWK set (RFC 7517), by their ids. Keys of
// other kinds are passed over.
func parseJWKS(data []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []struct {
			Kty, Use, Alg, Kid string
			N, E               string
			D                  json.RawMessage
		}
	}
	if data == nil {
		return nil, fault.New(fault.NotFound, "no such file")
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fault.New(fault.Corrupt, "not a JWK set: %w", err)
	}
	keys := map[string]*rsa.PublicKey{}
	for _, k := range set.Keys {
		if k.Kty != "RSA" || (k.Use != "" && k.Use != "sig") || (k.Alg != "" && k.Alg != "RS256") {
			continue
		}
		if k.D != nil {
			return nil, fault.Hint(fault.New(fault.Invalid, "key %q is a private one", k.Kid), "the server wants the public halves only")
		}
		key, err := publicKey(k.N, k.E)
		if err != nil {
			return nil, fault.New(fault.Invalid, "key %q: %w", k.Kid, err)
		}
		if _, ok := keys[k.Kid]; ok {
			return nil, fault.New(fault.Invalid, "key %q stands there twice", k.Kid)
		}
		keys[k.Kid] = key
	}
	if len(keys) == 0 {
		return nil, fault.New(fault.Invalid, "no RSA key for RS256 in it")
	}
	return keys, nil
}

func publicKey(n, e string) (*rsa.PublicKey, error) {
	modulus, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "modulus: %w", err)
	}
	exponent, err := base64.RawURLEncoding.DecodeString(e)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "exponent: %w", err)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus)}
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, fault.New(fault.Invalid, "%d bits: want %d to %d", bits, minRSABits, maxRSABits)
	}
	ex := new(big.Int).SetBytes(exponent)
	if !ex.IsInt64() || ex.Int64() < 3 || ex.Int64() > 1<<31-1 || ex.Bit(0) == 0 { // what crypto/rsa takes
		return nil, fault.New(fault.Invalid, "exponent out of range")
	}
	key.E = int(ex.Int64())
	return key, nil
}
