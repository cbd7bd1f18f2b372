package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bcc/fault"
)

func openKeys(t *testing.T) (*Keys, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth", "keys.json")
	k, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func verifier(t *testing.T, cfg Config) *Verifier {
	t.Helper()
	v, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAKeyIsGoodUntilItIsRevokedByAnotherProcess(t *testing.T) {
	t.Parallel()
	served, path := openKeys(t)
	v := verifier(t, Config{Keys: served})
	other, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	token, key, err := other.Make("lab", true, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.Verify("bearer " + token)
	if want := (Principal{ID: key.ID, Name: "lab", Admin: true}); err != nil || p != want {
		t.Fatalf("%+v, %v: want %+v", p, err, want)
	}
	if err := other.Revoke(key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify("Bearer " + token); !errors.Is(err, ErrWrong) {
		t.Errorf("%v: want a revoked key refused", err)
	}
	if err := other.Revoke(key.ID); fault.Of(err) != fault.NotFound {
		t.Errorf("%v: want not found", err)
	}
}

func TestAKeyLastsAsLongAsItSays(t *testing.T) {
	t.Parallel()
	k, _ := openKeys(t)
	token, key, err := k.Make("guest", false, time.Now().Add(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.verify(token); err != nil {
		t.Fatal(err)
	}
	if key.Expired(time.Now()) || !key.Expired(*key.Expires) {
		t.Error("a key expires at its time and not before")
	}
	past := time.Now().Add(-time.Hour)
	if err := k.change(func(byID map[string]Key) error {
		old := byID[key.ID]
		old.Expires = &past
		byID[key.ID] = old
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.verify(token); !errors.Is(err, ErrWrong) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v: want an expired key refused", err)
	}
	if _, _, err := k.Make("late", false, past); fault.Of(err) != fault.Invalid {
		t.Errorf("%v: want a key that is over before it is made refused", err)
	}
}

func TestTheFileHoldsNoSecretAndIsItsOwners(t *testing.T) {
	t.Parallel()
	k, path := openKeys(t)
	token, _, err := k.Make("lab", false, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	secret := token[len(tokenPrefix)+idLen+1:]
	data, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(data), secret) {
		t.Errorf("%v: the secret stands in the file", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: want 0600", info.Mode(), err)
	}
	all, err := k.List()
	if err != nil || len(all) != 1 || all[0].SHA256 != "" {
		t.Errorf("%+v, %v: want one key without its digest", all, err)
	}
}

func TestKeysMadeAtOnceAreAllThere(t *testing.T) {
	t.Parallel()
	_, path := openKeys(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			k, err := OpenKeys(path)
			if err == nil {
				_, _, err = k.Make(fmt.Sprint("key ", i), false, time.Time{})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	k, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := k.List(); err != nil || len(all) != 8 {
		t.Errorf("%d keys, %v: want 8", len(all), err)
	}
}

func TestAFileThatIsNoFileOfKeysLetsNobodyIn(t *testing.T) {
	t.Parallel()
	k, path := openKeys(t)
	token, _, err := k.Make("lab", false, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for text, kind := range map[string]fault.Kind{
		"{": fault.Corrupt, `{"format_version": 2}`: fault.Unsupported,
		`{"format_version": 1, "keys": [{"id": "a"}]}`: fault.Corrupt,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := k.verify(token); fault.Of(err) != kind || errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v: want %v", text, err, kind)
		}
		if _, _, err := k.Make("more", false, time.Time{}); err == nil {
			t.Errorf("%s: a damaged file was written over", text)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := k.verify(token); !errors.Is(err, ErrWrong) {
		t.Errorf("%v: want no keys where there is no file", err)
	}
}

func TestNamesAreWordsForAList(t *testing.T) {
	t.Parallel()
	k, _ := openKeys(t)
	for _, name := range []string{"", "  ", "a\nb", "\x1b[2J", strings.Repeat("x", 101)} {
		if _, _, err := k.Make(name, false, time.Time{}); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: %v: want it refused", name, err)
		}
	}
}
