package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"bcc/auth"
	"bcc/fetch"
	"bcc/server"
)

func TestForeignTokensOpenNothing(t *testing.T) {
	t.Parallel()
	secret := []byte(strings.Repeat("s", 32))
	v, err := auth.New(auth.Config{JWTSecret: secret, Audience: "bcc"})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(c *server.Config) { c.Verifier = v })
	good := func() jwt.MapClaims {
		return jwt.MapClaims{"sub": "dr-miller", "aud": "bcc", "exp": time.Now().Add(time.Hour).Unix()}
	}
	with := func(name string, value any) jwt.MapClaims {
		c := good()
		c[name] = value
		return c
	}
	sign := func(m jwt.SigningMethod, c jwt.MapClaims, key any) string {
		text, err := jwt.NewWithClaims(m, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + text
	}
	ok := sign(jwt.SigningMethodHS256, good(), secret)
	s.get(t, "/cohorts", "Authorization", ok).wants(t, 200)
	for name, token := range map[string]string{
		"alg none":             sign(jwt.SigningMethodNone, good(), jwt.UnsafeAllowNoneSignatureType),
		"expired":              sign(jwt.SigningMethodHS256, with("exp", time.Now().Add(-time.Hour).Unix()), secret),
		"of another service":   sign(jwt.SigningMethodHS256, with("aud", "mail"), secret),
		"not valid yet":        sign(jwt.SigningMethodHS256, with("nbf", time.Now().Add(time.Hour).Unix()), secret),
		"of another secret":    sign(jwt.SigningMethodHS256, good(), []byte(strings.Repeat("x", 32))),
		"of another algorithm": sign(jwt.SigningMethodHS512, good(), secret),
		"cut short":            ok[:len(ok)-3],
		"very long":            "Bearer " + strings.Repeat("a", 20_000),
	} {
		if a := s.get(t, "/cohorts", "Authorization", token); a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if log := s.log.String(); strings.Contains(log, "miller") || strings.Contains(log, ok[7:]) || strings.Count(log, `"status":401`) != 8 {
		t.Errorf("the log: %s", log)
	}
}

func TestAddressesInsideAreNotReached(t *testing.T) {
	t.Parallel()
	cfg := fetch.DefaultConfig()
	cfg.Hosts, cfg.Roots = []string{"localhost", "127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]:443"}, []string{t.TempDir()}
	f, err := fetch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := newServer(t, func(c *server.Config) { c.Fetcher = f })
	for _, address := range []string{
		"https://localhost/s.tif", "https://127.0.0.1/s.tif", "https://169.254.169.254/latest/meta-data", "https://10.0.0.1/s.tif", "https://[::1]/s.tif", "https://elsewhere.example/s.tif",
		"http://localhost/s.tif", "file:///etc/passwd", "file:///../etc/passwd", "s3://other/s.tif", "https://localhost@elsewhere.example/s.tif", "https://user:secret@localhost/s.tif",
	} {
		a := s.post(t, "/predict/batch", "application/json", `{"files":[{"url":"`+address+`"}]}`)
		if a.status != 403 && a.status != 400 || strings.Contains(string(a.body), "secret") {
			t.Errorf("%s: %d %s", address, a.status, a.body)
		}
		if strings.HasPrefix(address, "https://") && !strings.Contains(address, "@") && a.status != 403 {
			t.Errorf("%s: %d %s", address, a.status, a.body)
		}
	}
	s.post(t, "/predict/batch", "application/json", `{"files":[{"url":"gopher://x/y"}]}`).wants(t, 400)
	s.post(t, "/predict/batch", "application/json", `{"files":[{"url":"/etc/passwd"}]}`).wants(t, 400)
}
