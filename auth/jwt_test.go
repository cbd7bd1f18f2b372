package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"bcc/fault"
)

var (
	testSecret = []byte("a secret of thirty-two bytes, or more")
	ours       = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	foreign    = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
)

func newRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

// writeJWKS writes the public half of the key as a JWK set.
func writeJWKS(t *testing.T, path, kid string, n *big.Int, more map[string]any) {
	t.Helper()
	key := map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": base64.RawURLEncoding.EncodeToString(n.Bytes()), "e": "AQAB"}
	for k, v := range more {
		key[k] = v
	}
	data, err := json.Marshal(map[string]any{"keys": []any{map[string]any{"kty": "EC", "kid": "other"}, key}})
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// claims of a good token, with changes; nil takes a claim away.
func claims(change map[string]any) jwt.MapClaims {
	now := time.Now()
	c := jwt.MapClaims{"sub": "someone@example.org", "aud": "bcc", "iss": "https://idp.example.org",
		"exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nbf": now.Unix()}
	for k, v := range change {
		c[k] = v
		if v == nil {
			delete(c, k)
		}
	}
	return c
}

func sign(t *testing.T, m jwt.SigningMethod, key any, kid string, change map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(m, claims(change))
	if kid != "" {
		token.Header["kid"] = kid
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTokensAreTakenOrRefused(t *testing.T) {
	t.Parallel()
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	writeJWKS(t, jwks, "k1", ours().N, nil)
	both := verifier(t, Config{JWTSecret: testSecret, JWKS: jwks, Audience: "bcc", Issuer: "https://idp.example.org"})
	rsaOnly := verifier(t, Config{JWKS: jwks, Audience: "bcc"})
	hmacOnly := verifier(t, Config{JWTSecret: testSecret, Audience: "bcc"})

	der, err := x509.MarshalPKIXPublicKey(&ours().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	asSecret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hs := func(change map[string]any) string {
		return sign(t, jwt.SigningMethodHS256, testSecret, "", change)
	}
	crit := jwt.NewWithClaims(jwt.SigningMethodHS256, claims(nil))
	crit.Header["crit"] = []string{"b64"}
	critical, err := crit.SignedString(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }

	for _, c := range []struct {
		name  string
		v     *Verifier
		token string
		want  string // empty: taken; else the reason
	}{
		{"HS256", both, hs(nil), ""},
		{"RS256", both, sign(t, jwt.SigningMethodRS256, ours(), "k1", nil), ""},
		{"RS256 without a kid where there is one key", rsaOnly, sign(t, jwt.SigningMethodRS256, ours(), "", nil), ""},
		{"one of several audiences", both, hs(map[string]any{"aud": []string{"x", "bcc"}}), ""},
		{"an expiry within the leeway", both, hs(map[string]any{"exp": ago(10 * time.Second)}), ""},

		{"expired", both, hs(map[string]any{"exp": ago(time.Minute)}), "expired"},
		{"no expiry", both, hs(map[string]any{"exp": nil}), "no expiry"},
		{"not yet valid", both, hs(map[string]any{"nbf": ago(-time.Hour)}), "not valid yet"},
		{"issued in the future", both, hs(map[string]any{"iat": ago(-time.Hour)}), "not valid yet"},
		{"another audience", both, hs(map[string]any{"aud": "other"}), "audience"},
		{"no audience", both, hs(map[string]any{"aud": nil}), "audience"},
		{"another issuer", both, hs(map[string]any{"iss": "https://evil.example.org"}), "issuer"},
		{"no subject", both, hs(map[string]any{"sub": nil}), "subject"},
		{"another secret", both, sign(t, jwt.SigningMethodHS256, []byte("another secret of thirty-two bytes"), "", nil), "signature"},
		{"a foreign RSA key under our id", both, sign(t, jwt.SigningMethodRS256, foreign(), "k1", nil), "signature"},
		{"a key id of nobody", both, sign(t, jwt.SigningMethodRS256, ours(), "k2", nil), "not taken"},
		{"alg none", both, sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "", nil), "signature does not fit"},
		{"the public key as a secret", rsaOnly, sign(t, jwt.SigningMethodHS256, asSecret, "k1", nil), "signature does not fit"},
		{"the modulus as a secret", both, sign(t, jwt.SigningMethodHS256, ours().N.Bytes(), "k1", nil), "signature does not fit"},
		{"RS256 where only HS256 is taken", hmacOnly, sign(t, jwt.SigningMethodRS256, ours(), "k1", nil), "signature does not fit"},
		{"HS512 with the right secret", both, sign(t, jwt.SigningMethodHS512, testSecret, "", nil), "signature does not fit"},
		{"PS256 with the right key", both, sign(t, jwt.SigningMethodPS256, ours(), "k1", nil), "signature does not fit"},
		{"what must be understood and is not", both, critical, "not taken"},
		{"no token at all", both, "abc", "neither"},
		{"two dots", both, "..", "neither"},
	} {
		p, err := c.v.Verify("Bearer " + c.token)
		switch {
		case c.want == "" && (err != nil || !strings.HasPrefix(p.ID, "jwt:") || p.Admin || strings.Contains(p.ID+p.Name, "someone")):
			t.Errorf("%s: %+v, %v: want it taken, and no name in it", c.name, p, err)
		case c.want != "" && (!errors.Is(err, ErrWrong) || !strings.Contains(err.Error(), c.want) || p != Principal{}):
			t.Errorf("%s: %+v, %v: want %q", c.name, p, err, c.want)
		}
	}
}

func TestWithoutCredentialsNobodyIsLetInUnlessTheDoorIsOpen(t *testing.T) {
	t.Parallel()
	keys, _ := openKeys(t)
	closed, open := verifier(t, Config{Keys: keys}), verifier(t, Config{Keys: keys, Open: true})
	if _, err := closed.Verify(""); !errors.Is(err, ErrNone) {
		t.Errorf("%v: want no credentials", err)
	}
	if p, err := open.Verify(""); err != nil || p != (Principal{}) {
		t.Errorf("%+v, %v: want anybody", p, err)
	}
	for _, header := range []string{
		"Bearer", "Bearer ", "Basic YTpi", "bcc_a_b", "Bearer bcc_", "Bearer bcc_aaaaaaaaaaaa_", "Bearer bcc__",
		"Bearer " + strings.Repeat("a", maxHeader), "Bearer \x00",
	} {
		for _, v := range []*Verifier{closed, open} {
			if _, err := v.Verify(header); !errors.Is(err, ErrWrong) {
				t.Errorf("%.20q: %v: want it refused, the door open or not", header, err)
			}
		}
	}
}

func TestAJWKSIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	writeJWKS(t, jwks, "k1", ours().N, nil)
	v := verifier(t, Config{JWKS: jwks, Audience: "bcc"})
	before := "Bearer " + sign(t, jwt.SigningMethodRS256, ours(), "k1", nil)
	after := "Bearer " + sign(t, jwt.SigningMethodRS256, foreign(), "k22", nil)
	if _, err := v.Verify(before); err != nil {
		t.Fatal(err)
	}
	writeJWKS(t, jwks, "k22", foreign().N, nil)
	if _, err := v.Verify(after); err != nil {
		t.Errorf("%v: want the new key taken", err)
	}
	if _, err := v.Verify(before); !errors.Is(err, ErrWrong) {
		t.Errorf("%v: want the old key refused", err)
	}
	if err := os.WriteFile(jwks, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(after); fault.Of(err) != fault.Corrupt || errors.Is(err, ErrWrong) {
		t.Errorf("%v: want a damaged set told as such", err)
	}
}

func TestAJWKSWithoutGoodKeysIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jwks.json")
	for name, write := range map[string]func(){
		"a key of 1024 bits": func() { writeJWKS(t, path, "k", new(big.Int).Rsh(ours().N, 1024), nil) },
		"a private key":      func() { writeJWKS(t, path, "k", ours().N, map[string]any{"d": "AQAB"}) },
		"an even exponent":   func() { writeJWKS(t, path, "k", ours().N, map[string]any{"e": "AQAA"}) },
		"for encryption":     func() { writeJWKS(t, path, "k", ours().N, map[string]any{"use": "enc"}) },
		"for another method": func() { writeJWKS(t, path, "k", ours().N, map[string]any{"alg": "RS512"}) },
	} {
		write()
		if _, err := New(Config{JWKS: path, Audience: "bcc"}); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v: want it refused", name, err)
		}
	}
	if _, err := New(Config{JWKS: path + "x", Audience: "bcc"}); fault.Of(err) != fault.NotFound {
		t.Errorf("%v: want not found", err)
	}
}

func TestConfigurationsThatWouldLetStrangersInAreRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"a short secret":              {JWTSecret: []byte("short"), Audience: "bcc"},
		"an empty secret":             {JWTSecret: []byte{}, Audience: "bcc"},
		"no audience":                 {JWTSecret: testSecret},
		"an audience without a check": {Audience: "bcc"},
	} {
		if _, err := New(cfg); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v: want it refused", name, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	dir := f.TempDir()
	keys, err := OpenKeys(filepath.Join(dir, "auth", "keys.json"))
	if err != nil {
		f.Fatal(err)
	}
	if _, _, err := keys.Make("lab", false, time.Time{}); err != nil {
		f.Fatal(err)
	}
	v, err := New(Config{Keys: keys, JWTSecret: testSecret, Audience: "bcc"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer bcc_aaaaaaaaaaaa_b")
	f.Add("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.")
	f.Add("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA")
	f.Fuzz(func(t *testing.T, header string) {
		p, err := v.Verify(header)
		if err == nil || p != (Principal{}) {
			t.Fatalf("%q: %+v was let in", header, p) // whoever guesses 256 bits may say so
		}
		if !errors.Is(err, ErrNone) && !errors.Is(err, ErrWrong) {
			t.Fatalf("%q: %v", header, err)
		}
	})
}
