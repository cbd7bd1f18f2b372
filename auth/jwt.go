package auth

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"bcc/fault"
)

// leeway is how far the clocks of issuer and server may be apart.
const leeway = 30 * time.Second

// tokens checks JWTs of others.
type tokens struct {
	secret []byte                              // of HS256; nil: none are taken
	jwks   *watched[map[string]*rsa.PublicKey] // of RS256 by key id; nil: none are taken
	parser *jwt.Parser
}

// newTokens returns nil where cfg takes no JWTs.
func newTokens(cfg Config) (*tokens, error) {
	t := &tokens{secret: cfg.JWTSecret}
	var methods []string
	if t.secret != nil {
		methods = append(methods, jwt.SigningMethodHS256.Alg())
	}
	if cfg.JWKS != "" {
		methods = append(methods, jwt.SigningMethodRS256.Alg())
		t.jwks = &watched[map[string]*rsa.PublicKey]{path: cfg.JWKS, parse: parseJWKS}
		if _, err := t.jwks.get(); err != nil {
			return nil, fmt.Errorf("JWKS: %w", err)
		}
	}
	if methods == nil {
		return nil, nil
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods(methods), jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway),
		jwt.WithAudience(cfg.Audience),
	}
	if cfg.Issuer != "" {
		options = append(options, jwt.WithIssuer(cfg.Issuer))
	}
	t.parser = jwt.NewParser(options...)
	return t, nil
}

// verify returns whose the token is, by its issuer and subject.
func (t *tokens) verify(token string) (Principal, error) {
	var claims jwt.RegisteredClaims
	_, err := t.parser.ParseWithClaims(token, &claims, t.key)
	if err != nil {
		if fault.Of(err) != fault.Internal { // the JWKS could not be read: no fault of the token
			return Principal{}, fmt.Errorf("JWKS: %w", err)
		}
		return Principal{}, fmt.Errorf("%w: %s", ErrWrong, reason(err))
	}
	if claims.Subject == "" {
		return Principal{}, fmt.Errorf("%w: the token has no subject", ErrWrong)
	}
	return Principal{ID: subjectID(claims.Issuer, claims.Subject)}, nil
}

// key returns what checks the token's signature. The algorithm chooses the kind of
// key, so that a public key is never taken for a secret.
func (t *tokens) key(token *jwt.Token) (any, error) {
	if _, ok := token.Header["crit"]; ok { // RFC 7515, section 4.1.11: refuse what is not understood
		return nil, errors.New("crit is not understood")
	}
	switch token.Method {
	case jwt.SigningMethodHS256:
		return t.secret, nil // the parser has let the method through: the secret is there
	case jwt.SigningMethodRS256:
		keys, err := t.jwks.get()
		if err != nil {
			return nil, err
		}
		id, _ := token.Header["kid"].(string)
		if id == "" && len(keys) == 1 {
			for _, key := range keys {
				return key, nil
			}
		}
		if key, ok := keys[id]; ok {
			return key, nil
		}
		return nil, errors.New("no such key")
	}
	return nil, errors.New("algorithm not taken")
}

// reason says in words of our own what is wrong with a token: the library's words
// hold parts of the token.
func reason(err error) string {
	for _, r := range []struct {
		is    error
		words string
	}{
		{jwt.ErrTokenMalformed, "neither a key nor a JWT"},
		{jwt.ErrTokenUnverifiable, "its algorithm or key is not taken"},
		{jwt.ErrTokenSignatureInvalid, "its signature does not fit, or its algorithm is not taken"},
		{jwt.ErrTokenExpired, "the token has expired"},
		{jwt.ErrTokenNotValidYet, "the token is not valid yet"},
		{jwt.ErrTokenUsedBeforeIssued, "the token is not valid yet"},
		{jwt.ErrTokenInvalidAudience, "the token is for another audience"},
		{jwt.ErrTokenInvalidIssuer, "the token is of another issuer"},
		{jwt.ErrTokenRequiredClaimMissing, "the token says no expiry, audience or issuer"},
	} {
		if errors.Is(err, r.is) {
			return r.words
		}
	}
	return "the token is not valid"
}

// subjectID names a subject without saying who it is.
func subjectID(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return "jwt:" + hex.EncodeToString(sum[:8])
}
