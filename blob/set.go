package blob

import (
	"bytes"
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

// setPutter is a store that puts a whole set faster than one object after the other:
// every file that sums names out of dir, and text as sums.json.
type setPutter interface {
	putSet(ctx context.Context, prefix, dir string, sums Sums, text []byte) error
}

// WriteSet puts every file of dir under prefix (without a slash at its end), and
// sums.json last: before that the set is not there.
func WriteSet(ctx context.Context, store Store, prefix, dir string) error {
	sums, err := sumsOf(dir)
	if err != nil {
		return fmt.Errorf("write set %s: %w", prefix, err)
	}
	text, err := json.MarshalIndent(sums, "", " ")
	if err != nil {
		return fmt.Errorf("write set %s: %w", prefix, err)
	}
	if faster, ok := store.(setPutter); ok {
		err = faster.putSet(ctx, prefix, dir, sums, text)
	} else {
		err = putEach(ctx, store, prefix, dir, sums, text)
	}
	if err != nil {
		return fmt.Errorf("write set: %w", err)
	}
	return nil
}

// sumsOf reads what is to become a set. It is read again when it is put: a store may
// read a file more than once, or not to its end in one go.
func sumsOf(dir string) (Sums, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Sums{}, err
	}
	sums := Sums{FormatVersion: sumsVersion, Files: []Sum{}}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == sumsName || strings.Contains(e.Name(), "/") {
			return Sums{}, fault.New(fault.Invalid, "%s cannot belong to one, only files can", e.Name())
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return Sums{}, err
		}
		sum, err := sumOf(f)
		f.Close()
		if err != nil {
			return Sums{}, err
		}
		sum.Name = e.Name()
		sums.Files = append(sums.Files, sum)
	}
	return sums, nil
}

// putEach puts one object after the other.
func putEach(ctx context.Context, store Store, prefix, dir string, sums Sums, text []byte) error {
	for _, file := range sums.Files {
		f, err := os.Open(filepath.Join(dir, file.Name))
		if err != nil {
			return err
		}
		err = store.Put(ctx, prefix+"/"+file.Name, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return store.Put(ctx, prefix+"/"+sumsName, bytes.NewReader(text))
}

func sumOf(r io.Reader) (Sum, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return Sum{Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

// ReadSums returns what belongs to a set; NotFound where it is not there or not
// complete, Unsupported where a later version of the program wrote it.
func ReadSums(ctx context.Context, store Store, prefix string) (Sums, error) {
	text, err := Read(ctx, store, prefix+"/"+sumsName, maxSums)
	if err != nil {
		return Sums{}, fmt.Errorf("read set: %w", err)
	}
	var sums Sums
	if err := json.Unmarshal(text, &sums); err != nil {
		return Sums{}, fault.New(fault.Corrupt, "read set %s: %w", prefix, err)
	}
	if sums.FormatVersion > sumsVersion {
		return Sums{}, fault.New(fault.Unsupported, "read set %s: format version %d, this program reads %d", prefix, sums.FormatVersion, sumsVersion)
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
