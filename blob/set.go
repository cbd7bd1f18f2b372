package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bcc/fault"
)

// sumsName is the object that makes a set complete: it is written last.
const (
	sumsName    = "sums.json"
	sumsVersion = 1
	maxSums     = 1 << 20 // bytes
)

// Sums says what belongs to a set: files that are right only together.
type Sums struct {
	FormatVersion int   `json:"format_version"`
	Files         []Sum `json:"files"` // in the order of their names
}

// Sum is one file of a set.
type Sum struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Find returns the file's sum; ok is false where the set has no such file.
func (s Sums) Find(name string) (sum Sum, ok bool) {
	i := slices.IndexFunc(s.Files, func(f Sum) bool { return f.Name == name })
	if i < 0 {
		return Sum{}, false
	}
	return s.Files[i], true
}

// WriteSet puts every file of dir under prefix (without a slash at its end), and
// sums.json last: before that the set is not there.
func WriteSet(ctx context.Context, store Store, prefix, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("write set %s: %w", prefix, err)
	}
	sums := Sums{FormatVersion: sumsVersion, Files: []Sum{}}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == sumsName || strings.Contains(e.Name(), "/") {
			return fault.New(fault.Invalid, "write set %s: %s cannot belong to one, only files can", prefix, e.Name())
		}
		sum, err := putFile(ctx, store, prefix+"/"+e.Name(), filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("write set: %w", err)
		}
		sum.Name = e.Name()
		sums.Files = append(sums.Files, sum)
	}
	text, err := json.MarshalIndent(sums, "", " ")
	if err != nil {
		return fmt.Errorf("write set %s: %w", prefix, err)
	}
	if err := store.Put(ctx, prefix+"/"+sumsName, strings.NewReader(string(text))); err != nil {
		return fmt.Errorf("write set: %w", err)
	}
	return nil
}

// putFile puts a file and returns its sum, which is taken first: a store may read the
// file more than once, or not to its end in one go.
func putFile(ctx context.Context, store Store, key, path string) (Sum, error) {
	f, err := os.Open(path)
	if err != nil {
		return Sum{}, err
	}
	defer f.Close()
	sum, err := sumOf(f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return Sum{}, err
	}
	return sum, store.Put(ctx, key, f)
}

func sumOf(r io.Reader) (Sum, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return Sum{Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

// ReadSums returns what belongs to a set; NotFound where it is not there or not
// complete.
func ReadSums(ctx context.Context, store Store, prefix string) (Sums, error) {
	text, err := Read(ctx, store, prefix+"/"+sumsName, maxSums)
	if err != nil {
		return Sums{}, fmt.Errorf("read set: %w", err)
	}
	var sums Sums
	if err := json.Unmarshal(text, &sums); err != nil {
		return Sums{}, fault.New(fault.Corrupt, "read set %s: %w", prefix, err)
	}
	if sums.FormatVersion != sumsVersion {
		return Sums{}, fault.New(fault.Corrupt, "read set %s: format version %d, want %d", prefix, sums.FormatVersion, sumsVersion)
	}
	for _, f := range sums.Files {
		if err := CheckKey(f.Name); err != nil || strings.Contains(f.Name, "/") {
			return Sums{}, fault.New(fault.Corrupt, "read set %s: it names the file %.80q", prefix, f.Name)
		}
	}
	return sums, nil
}

// CheckSet reads all files of a set. NotFound: there is none; Corrupt: a file is
// missing or holds other bytes than were written.
func CheckSet(ctx context.Context, store Store, prefix string) error {
	sums, err := ReadSums(ctx, store, prefix)
	if err != nil {
		return err
	}
	for _, want := range sums.Files {
		if err := checkFile(ctx, store, prefix+"/"+want.Name, want); err != nil {
			return fmt.Errorf("check set: %w", err)
		}
	}
	return nil
}

func checkFile(ctx context.Context, store Store, key string, want Sum) error {
	o, err := store.Open(ctx, key)
	if err != nil && fault.Of(err) == fault.NotFound {
		return fault.New(fault.Corrupt, "%s is missing", key)
	}
	if err != nil {
		return err
	}
	defer o.Close()
	if o.Size != want.Bytes {
		return fault.New(fault.Corrupt, "%s: %d bytes, want %d", key, o.Size, want.Bytes)
	}
	got, err := sumOf(&source{ctx: ctx, r: o.Reader()})
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if got.SHA256 != want.SHA256 {
		return fault.New(fault.Corrupt, "%s: SHA-256 %.12s…, want %.12s…", key, got.SHA256, want.SHA256)
	}
	return nil
}

// DropSet takes a set away, sums.json first: what is left of it is no set.
func DropSet(ctx context.Context, store Store, prefix string) error {
	if err := store.Delete(ctx, prefix+"/"+sumsName); err != nil {
		return fmt.Errorf("drop set: %w", err)
	}
	var keys []string
	for info, err := range store.List(ctx, prefix+"/") {
		if err != nil {
			return fmt.Errorf("drop set: %w", err)
		}
		keys = append(keys, info.Key)
	}
	var errs []error
	for _, key := range keys {
		errs = append(errs, store.Delete(ctx, key))
	}
	return errors.Join(errs...)
}
