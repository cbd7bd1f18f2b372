package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bcc/disk"
	"bcc/fault"
)

// A key as its owner holds it is bcc_<id>_<secret>: 60 bits in base32 that name it,
// 256 random bits in base64url that prove it. Against so many bits a plain digest is
// enough: there is no list of likely secrets to try.
const (
	tokenPrefix = "bcc_"
	idLen       = 12
	secretBytes = 32
)

// Key is what is known of a key; its secret is known to its owner only.
type Key struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"` // whose it is, in the words of who made it
	Admin   bool       `json:"admin"`
	SHA256  string     `json:"sha256,omitempty"` // of the secret, hex; empty where List gives it out
	Made    time.Time  `json:"made"`
	Expires *time.Time `json:"expires,omitempty"` // nil: never
}

// Expired reports whether the key is no good any more at the time.
func (k Key) Expired(now time.Time) bool { return k.Expires != nil && !now.Before(*k.Expires) }

// Keys are the API keys of a file, which several processes may read and change at
// once. It is safe for concurrent use.
type Keys struct {
	path string
	file watched[map[string]Key]
}

// keysFile is the form of the file.
type keysFile struct {
	FormatVersion int   `json:"format_version"`
	Keys          []Key `json:"keys"`
}

const keysVersion = 1

// OpenKeys opens the file of keys at path; where there is none there are no keys,
// and Make writes it. Its folder is made, and should hold nothing else that is
// locked.
func OpenKeys(path string) (*Keys, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fault.New(fault.Unavailable, "keys: %w", err)
	}
	k := &Keys{path: path, file: watched[map[string]Key]{path: path, parse: parseKeys}}
	if _, err := k.file.get(); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return k, nil
}

func parseKeys(data []byte) (map[string]Key, error) {
	byID := map[string]Key{}
	if data == nil {
		return byID, nil
	}
	var f keysFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fault.New(fault.Corrupt, "not a file of keys: %w", err)
	}
	if f.FormatVersion != keysVersion {
		return nil, fault.New(fault.Unsupported, "format version %d: this program reads %d", f.FormatVersion, keysVersion)
	}
	for _, key := range f.Keys {
		if digest, err := hex.DecodeString(key.SHA256); err != nil || len(digest) != sha256.Size || key.ID == "" {
			return nil, fault.New(fault.Corrupt, "key %q has no SHA-256", key.ID)
		}
		byID[key.ID] = key
	}
	return byID, nil
}

// Make makes a key and returns the token that its owner sends, which is not kept.
// The zero expires means never. The file is on the disk when Make returns.
func (k *Keys) Make(name string, admin bool, expires time.Time) (token string, key Key, err error) {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n < 1 || n > 100 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", Key{}, fault.New(fault.Invalid, "name %q: want 1 to 100 printable characters", name)
	}
	now := time.Now().UTC().Truncate(time.Second)
	key = Key{ID: newID(), Name: name, Admin: admin, Made: now}
	if !expires.IsZero() {
		if !expires.After(now) {
			return "", Key{}, fault.New(fault.Invalid, "expires %s: that is over", expires.Format(time.RFC3339))
		}
		at := expires.UTC().Truncate(time.Second)
		key.Expires = &at
	}
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails: crypto/rand
	text := base64.RawURLEncoding.EncodeToString(secret)
	key.SHA256 = digest(text)
	err = k.change(func(byID map[string]Key) error {
		byID[key.ID] = key
		return nil
	})
	if err != nil {
		return "", Key{}, err
	}
	token = tokenPrefix + key.ID + "_" + text
	key.SHA256 = ""
	return token, key, nil
}

func newID() string {
	b := make([]byte, 8)
	rand.Read(b)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))[:idLen]
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// List returns the keys, oldest first, without what proves them.
func (k *Keys) List() ([]Key, error) {
	byID, err := k.file.get()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	all := slices.SortedFunc(maps.Values(byID), func(a, b Key) int {
		return cmp.Or(a.Made.Compare(b.Made), cmp.Compare(a.ID, b.ID))
	})
	for i := range all {
		all[i].SHA256 = ""
	}
	return all, nil
}

// Revoke takes the key out of the file: its token is refused from then on.
func (k *Keys) Revoke(id string) error {
	return k.change(func(byID map[string]Key) error {
		if _, ok := byID[id]; !ok {
			return fault.Hint(fault.New(fault.NotFound, "key %q: there is none", id), "bcc serve keys list shows them")
		}
		delete(byID, id)
		return nil
	})
}

// lockWait is how long Make and Revoke wait for another process that changes the
// file, which takes it milliseconds.
const lockWait = 5 * time.Second

// change writes the file anew, alone.
func (k *Keys) change(f func(byID map[string]Key) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	unlock, err := disk.WaitLock(ctx, filepath.Dir(k.path))
	if errors.Is(err, disk.ErrLocked) {
		return fault.New(fault.Busy, "keys %s: %w", k.path, err)
	} else if err != nil {
		return fault.New(fault.Unavailable, "keys: %w", err)
	}
	defer unlock()
	byID, err := k.file.load() // not what is remembered: another process may have just written
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := f(byID); err != nil {
		return err
	}
	out := keysFile{FormatVersion: keysVersion, Keys: slices.SortedFunc(maps.Values(byID), func(a, b Key) int { return cmp.Compare(a.ID, b.ID) })}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return fault.New(fault.Internal, "keys: %w", err)
	}
	if err := disk.WriteSecret(k.path, append(data, '\n')); err != nil {
		return fault.New(fault.Unavailable, "keys: %w", err)
	}
	return nil
}

// verify returns whose the token is. It says the same of a key that is not there, of
// a wrong secret and of a form that no key has.
func (k *Keys) verify(token string) (Principal, error) {
	byID, err := k.file.get()
	if err != nil {
		return Principal{}, fmt.Errorf("keys: %w", err)
	}
	id, secret, _ := strings.Cut(strings.TrimPrefix(token, tokenPrefix), "_")
	key, ok := byID[id]
	// Compared also where there is no such key: the time taken does not tell.
	same := subtle.ConstantTimeCompare([]byte(digest(secret)), []byte(key.SHA256)) == 1
	if !ok || !same {
		return Principal{}, fmt.Errorf("%w: no such key", ErrWrong)
	}
	if key.Expired(time.Now()) {
		return Principal{}, fmt.Errorf("%w: the key has expired", ErrWrong)
	}
	return Principal{ID: key.ID, Name: key.Name, Admin: key.Admin}, nil
}
