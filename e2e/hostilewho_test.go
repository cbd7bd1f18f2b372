//go:build e2e

package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestHostileTokensAndKeysOpenNothing tries tokens that were made by others, for
// others, too long ago or by nobody, and the key of one to see the work of another.
func TestHostileTokensAndKeysOpenNothing(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	_, mine := makeKey(t, data, "reading room")
	lostID, lost := makeKey(t, data, "lost")
	_, over := makeKey(t, data, "over", "--expires", "1s")
	_, foreign := makeKey(t, t.TempDir(), "of another server")
	_, admin := makeKey(t, data, "operator", "--admin")

	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	jwks, err := json.Marshal(map[string]any{"keys": []any{map[string]string{"kty": "RSA", "alg": "RS256", "kid": "k1",
		"n": b64(private.N.Bytes()), "e": b64(big.NewInt(int64(private.E)).Bytes())}}})
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("a secret of the house, at least thirty-two bytes long")
	for name, text := range map[string][]byte{"jwks.json": jwks, "secret": secret} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := attackOn(t, data, nil, append([]string{"--log-level", "debug", "--jwt-jwks", filepath.Join(dir, "jwks.json"), "--jwt-secret-file", filepath.Join(dir, "secret"),
		"--jwt-audience", "bcc", "--jwt-issuer", "https://login.example"}, unlimited...)...)
	must(t, "serve", "keys", "revoke", "--data", data, lostID)

	claims := func(change ...string) jwt.MapClaims {
		c := jwt.MapClaims{"iss": "https://login.example", "aud": "bcc", "sub": "Dr-Anna-Muster", "exp": time.Now().Add(time.Hour).Unix()}
		for i := 0; i+1 < len(change); i += 2 {
			if c[change[i]] = change[i+1]; change[i+1] == "" {
				delete(c, change[i])
			}
		}
		return c
	}
	sign := func(m jwt.SigningMethod, key any, c jwt.MapClaims, head ...string) string {
		tok := jwt.NewWithClaims(m, c)
		tok.Header["kid"] = "k1"
		for i := 0; i+1 < len(head); i += 2 {
			tok.Header[head[i]] = head[i+1]
		}
		text, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	expired := claims()
	expired["exp"] = time.Now().Add(-5 * time.Minute).Unix()
	early := claims()
	early["nbf"] = time.Now().Add(time.Hour).Unix()
	farther := claims()
	farther["exp"] = "never"
	good := sign(jwt.SigningMethodRS256, private, claims())
	parts := strings.Split(good, ".")
	none := sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims())
	for what, token := range map[string]string{
		"RS256": good, "HS256": sign(jwt.SigningMethodHS256, secret, claims()), "a key": mine,
	} {
		if a := s.as(token).must(t, "GET", "/cohorts", nil); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	tried := map[string]string{
		"alg none":                       none,
		"alg None":                       b64([]byte(`{"alg":"None","kid":"k1"}`)) + "." + parts[1] + ".",
		"alg none with a good signature": b64([]byte(`{"alg":"none"}`)) + "." + parts[1] + "." + parts[2],
		"no signature":                   parts[0] + "." + parts[1] + ".",
		"expired":                        sign(jwt.SigningMethodRS256, private, expired),
		"not yet":                        sign(jwt.SigningMethodRS256, private, early),
		"no expiry":                      sign(jwt.SigningMethodRS256, private, claims("exp", "")),
		"an expiry that is a word":       sign(jwt.SigningMethodRS256, private, farther),
		"a foreign key":                  sign(jwt.SigningMethodRS256, theirs, claims()),
		"a foreign key that it brings":   sign(jwt.SigningMethodRS256, theirs, claims(), "kid", "k2", "jku", s.base+"/openapi.json"),
		"a kid that is a path":           sign(jwt.SigningMethodRS256, theirs, claims(), "kid", "../../../dev/null"),
		"a foreign audience":             sign(jwt.SigningMethodRS256, private, claims("aud", "another service")),
		"no audience":                    sign(jwt.SigningMethodRS256, private, claims("aud", "")),
		"a foreign issuer":               sign(jwt.SigningMethodRS256, private, claims("iss", "https://evil.example")),
		"no subject":                     sign(jwt.SigningMethodRS256, private, claims("sub", "")),
		"the public key as HS256's":      sign(jwt.SigningMethodHS256, public, claims()),
		"the modulus as HS256's":         sign(jwt.SigningMethodHS256, private.N.Bytes(), claims()),
		"the JWKS as HS256's":            sign(jwt.SigningMethodHS256, jwks, claims()),
		"an empty secret":                sign(jwt.SigningMethodHS256, []byte{}, claims()),
		"HS512":                          sign(jwt.SigningMethodHS512, secret, claims()),
		"PS256":                          sign(jwt.SigningMethodPS256, private, claims()),
		"claims that were changed":       parts[0] + "." + b64([]byte(`{"iss":"https://login.example","aud":"bcc","sub":"root","exp":9999999999}`)) + "." + parts[2],
		"crit":                           sign(jwt.SigningMethodRS256, private, claims(), "crit", "exp"),
		"a token of 7 kB":                sign(jwt.SigningMethodRS256, theirs, claims("groups", strings.Repeat("g", 5000))),
		"a revoked key":                  lost,
		"an expired key":                 over,
		"a key of another server":        foreign,
		"half a key":                     mine[:len(mine)/2],
		"a key and a letter":             mine + "a",
		"a key in capitals":              strings.ToUpper(mine),
		"the digest of nothing":          "bcc_" + strings.Repeat("0", 64),
		"words":                          "let me in",
	}
	time.Sleep(time.Second) // the short key is over
	var secrets []string
	routes := []string{"GET /cohorts", "GET /machine", "GET /metrics", "GET /model/info", "POST /predict", "POST /slides", "POST /cohorts", "GET /slides/x/result", "DELETE /cohorts/x"}
	for what, token := range tried {
		secrets = append(secrets, token)
		for _, route := range routes {
			method, path, _ := strings.Cut(route, " ")
			a := s.as(token).must(t, method, path, nil)
			a.refused(t, what+", "+route, 401)
			if a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", what)
			}
		}
	}
	for what, head := range map[string]string{
		"none": "X-A: b", "basic": "Authorization: Basic " + b64([]byte("a:"+mine)), "twice": "Authorization: Bearer " + mine + "\r\nAuthorization: Bearer x",
		"in a cookie": "Cookie: Authorization=" + mine, "without a scheme": "Authorization: " + mine,
	} {
		got := s.raw(t, "GET /cohorts?key="+mine+"&access_token="+mine+" HTTP/1.1\r\nHost: 127.0.0.1\r\n"+head+"\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 401") {
			t.Errorf("%s: %.200q", what, got)
		}
	}

	// The work of one, and the key of another.
	body, kind := formOf("Anna-Muster-1950.png", picture(2100), "mpp_um", "4")
	a := s.as(mine).must(t, "POST", "/predict", body, "Content-Type", kind, "Prefer", "respond-async")
	cohort := a.json(t)["id"].(string)
	if code := s.as(mine).ended1(t, a); code != http.StatusOK {
		t.Fatal(code)
	}
	up := s.as(mine).must(t, "POST", "/slides", strings.NewReader(string(picture(300))), "Content-Type", "image/png").json(t)["upload"].(string)
	other := s.as(good)
	for _, route := range []string{"GET /cohorts/%s", "DELETE /cohorts/%s", "GET /cohorts/%s/events", "GET /slides/%s-0", "GET /slides/%s-0/result", "GET /slides/%s-0/timing", "GET /slides/%s-0/patches.csv", "GET /slides/%s-0/lesions.geojson",
		"GET /slides/%s-0/heatmap.png", "GET /slides/%s-0/report.html", "GET /slides/%s-0/slide.dzi", "GET /slides/%s-0/slide_files/0/0_0.jpg", "GET /slides/%s-0/heatmap.dzi", "GET /slides/%s-0/heatmap_files/0/0_0.png"} {
		method, path, _ := strings.Cut(fmt.Sprintf(route, cohort), " ")
		theirs := other.must(t, method, path, nil, "If-None-Match", "*", "Range", "bytes=0-10")
		theirs.refused(t, route, 404)
		nobodys := other.must(t, method, strings.Replace(path, cohort, "c"+strings.Repeat("a", 25), 1), nil)
		if strings.ReplaceAll(string(theirs.body), theirs.header.Get("X-Request-Id"), "") != strings.ReplaceAll(string(nobodys.body), nobodys.header.Get("X-Request-Id"), "") {
			t.Errorf("%s: %s for another's, %s for nobody's", route, theirs.body, nobodys.body)
		}
	}
	for _, sha := range []string{up, a.json(t)["slides"].([]any)[0].(map[string]any)["sha256"].(string), strings.Repeat("0", 64)} {
		other.must(t, "POST", "/cohorts", strings.NewReader(`{"slides":[{"upload":"`+sha+`"}]}`), "Content-Type", "application/json").refused(t, "another's upload", 400)
	}
	if list := other.must(t, "GET", "/cohorts", nil); strings.Contains(string(list.body), cohort) {
		t.Error("another's cohort is listed")
	}
	if list := s.as(admin).must(t, "GET", "/cohorts", nil); !strings.Contains(string(list.body), cohort) {
		t.Error("an administrator does not see it")
	}
	if a := s.as(mine).must(t, "GET", "/slides/"+cohort+"-0/result", nil); a.status != http.StatusOK {
		t.Errorf("whose it is: %d", a.status)
	}
	s.keepsQuiet(t, append(secrets, mine, admin, good, "Anna-Muster", string(secret))...)
	if !strings.Contains(s.audit(t), cohort) {
		t.Error("the decision is not in the audit log")
	}
	t.Logf("%d keys and tokens open none of %d routes", len(tried), len(routes))
}

// TestHostileAddressesReachNothingInside has the names of hosts lead inside, as a DNS
// server of an attacker does, and hosts that may be reached redirect there.
func TestHostileAddressesReachNothingInside(t *testing.T) {
	var inside atomic.Int64 // requests that should not be
	canary, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer canary.Close()
	go http.Serve(canary, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { inside.Add(1) }))
	_, port, _ := net.SplitHostPort(canary.Addr().String())
	host, err := net.Listen("tcp", "127.0.0.9:0") // may be reached: its network is named
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	go http.Serve(host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}))
	_, open, _ := net.SplitHostPort(host.Addr().String())

	hosts := filepath.Join(t.TempDir(), "hosts")
	names := "127.0.0.1 localhost inner.test two.test\n169.254.169.254 meta.test\n127.0.0.9 good.test two.test\n10.0.0.1 lan.test\n::1 six.test\n::ffff:127.0.0.1 mapped.test\nfd00:ec2::254 meta6.test\n0.0.0.0 zero.test\n"
	if err := os.WriteFile(hosts, []byte(names), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("unshare", "-m", "mount", "--bind", hosts, "/etc/hosts").Run(); err != nil {
		t.Skipf("names cannot be made to lead inside here (unshare -m: %v); fetch's own tests do it with a resolver", err)
	}
	by := []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, hosts}
	root := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "link.tif")); err != nil {
		t.Fatal(err)
	}
	s := attackOn(t, t.TempDir(), by, "--allow-host", "*.test:*", "--allow-host", "127.0.0.1:*", "--allow-host", "169.254.169.254:*", "--allow-host", "[::1]:*", "--allow-network", "127.0.0.9/32", "--allow-root", root)

	order := func(address string) reply {
		b, _ := json.Marshal(map[string]any{"slides": []any{map[string]any{"url": address, "name": "Anna-Muster"}}})
		return s.must(t, "POST", "/cohorts", strings.NewReader(string(b)), "Content-Type", "application/json")
	}
	for _, address := range []string{
		"http://inner.test:" + port + "/?sig=hush", "https://inner.test:" + port + "/", "http://two.test:" + port + "/", "http://meta.test/latest/meta-data/iam", "https://meta.test/", "https://lan.test/", "https://six.test:" + port + "/", "https://mapped.test:" + port + "/",
		"https://meta6.test/", "https://zero.test:" + port + "/", "https://127.0.0.1:" + port + "/", "https://169.254.169.254/latest", "https://[::1]:" + port + "/", "https://localhost:" + port + "/", "https://2130706433:" + port + "/", "https://0x7f.1:" + port + "/", "https://127.1:" + port + "/",
		"https://user:hush@good.test:" + open + "/", "https://good.test@inner.test:" + port + "/", "ftp://good.test/", "gopher://inner.test:" + port + "/", "file:///etc/passwd", "file://" + root + "/../../etc/passwd", "file://" + root + "/link.tif", "file://good.test/etc/passwd", "s3://bucket/key", "//inner.test:" + port + "/", "https:///etc/passwd",
	} {
		a := order(address)
		a.refused(t, address, 400, 403, 404)
		if strings.HasPrefix(address, "http") && strings.Contains(address, ".test") && a.status != http.StatusForbidden { // not: there is no such host
			t.Errorf("%s: %d %s", address, a.status, a.body)
		}
	}
	redirected := 0
	for _, to := range []string{
		"http://inner.test:" + port + "/", "https://inner.test:" + port + "/", "http://meta.test/latest/meta-data/iam", "http://169.254.169.254/latest/meta-data/?sig=hush", "http://127.0.0.1:" + port + "/", "https://127.0.0.1:" + port + "/", "http://two.test:" + port + "/", "file:///etc/passwd", "http://user:hush@good.test:" + open + "/",
		"http://good.test:" + open + "/?to=http%3A%2F%2Finner.test%3A" + port + "%2F", "//inner.test:" + port + "/", "s3://bucket/key", "gopher://inner.test:" + port + "/",
	} {
		a := order("http://good.test:" + open + "/Anna-Muster.tif?sig=hush&to=" + strings.NewReplacer("&", "%26", "?", "%3F").Replace(to))
		if a.status != http.StatusCreated {
			t.Errorf("%s: %d %s", to, a.status, a.body)
			continue
		}
		redirected++
		if code := s.ended1(t, a); code != 400 && code != 403 {
			t.Errorf("redirected to %s: %d", to, code)
		}
	}
	if n := inside.Load(); n > 0 {
		t.Errorf("%d requests came inside", n)
	}
	t.Logf("%d redirects led nowhere, nothing inside was reached", redirected)
	s.keepsQuiet(t, "hush", "Anna-Muster", "root:")
}
