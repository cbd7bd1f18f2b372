// Package model opens a model bundle: a folder with a card (card.json) and ONNX
// files, and proves that they belong together before anything runs.
//
// In: an fs.FS. Out: a Bundle: the checked card, the network's bytes, and a digest
// that names the whole. It runs nothing: the engine is given ONNX and what the card
// says about the input.
package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"

	"bcc/fault"
)

// Names of the files in a bundle.
const (
	CardFile  = "card.json"
	ModelFile = "model.onnx"
	Int8File  = "model.int8.onnx"
	HeadFile  = "head.onnx"
)

// Limits bound what a bundle may hold.
type Limits struct {
	CardBytes int64 // default 1 MiB
	FileBytes int64 // of each other file; default 1 GiB, ten times the largest encoder in use
	Files     int   // default 16
}

// DefaultLimits returns the limits that Open uses.
func DefaultLimits() Limits { return Limits{CardBytes: 1 << 20, FileBytes: 1 << 30, Files: 16} }

// Bundle is a model that may be used: its files are those that its card names, and
// its network takes and gives what the card says.
type Bundle struct {
	Card Card
	// RawCard is card.json as it stands in the folder, unknown fields included.
	RawCard []byte
	// ONNX is the network that runs: model.onnx, or what the card names in its place.
	ONNX []byte
	// Head is head.onnx where the bundle is a slide head, else nil.
	Head []byte
	// Digest is the SHA-256 of the whole bundle, in hex: of one line "SHA-256  name"
	// for the card and for each file it names, in the order of the names.
	Digest string

	fsys   fs.FS
	limits Limits
}

// Open reads a bundle from a folder within the default limits. Everything that is
// wrong with it is reported at once. A missing file is fault.NotFound, a card that
// makes no sense fault.Invalid, a file that is not what the card says or not ONNX
// fault.Corrupt.
func Open(fsys fs.FS) (*Bundle, error) { return OpenWithin(fsys, DefaultLimits()) }

// OpenWithin is Open within other limits.
func OpenWithin(fsys fs.FS, l Limits) (*Bundle, error) {
	raw, err := readFile(fsys, CardFile, l.CardBytes)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	card, err := ParseCard(raw)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	b := &Bundle{Card: *card, RawCard: raw, fsys: fsys, limits: l}
	if err := b.verify(); err != nil {
		return nil, fmt.Errorf("open model %s: %w", card.Name, err)
	}
	if err := card.fits(b.ONNX); err != nil {
		return nil, fmt.Errorf("open model %s: %s: %w", card.Name, card.Network(), err)
	}
	if card.Kind == SlideHead {
		_, width, err := b.Embedding()
		if err != nil {
			return nil, fmt.Errorf("open %w", err)
		}
		if err := card.fitsHead(b.Head, int64(width)); err != nil {
			return nil, fmt.Errorf("open model %s: %s: %w", card.Name, HeadFile, err)
		}
	}
	b.Digest = b.digest()
	return b, nil
}

// New makes a bundle in memory from a card and a network; the card's checksums are
// filled in.
func New(card Card, onnx []byte) (*Bundle, error) {
	return Make(card, map[string][]byte{ModelFile: onnx})
}

// Make is New of several files, head.onnx among them for a slide head.
func Make(card Card, files map[string][]byte) (*Bundle, error) {
	folder := memory{}
	card.Files = map[string]string{}
	for name, data := range files {
		folder[name], card.Files[name] = data, sum(data)
	}
	raw, err := json.MarshalIndent(card, "", "  ")
	if err != nil {
		return nil, fault.New(fault.Invalid, "make model %s: %w", card.Name, err)
	}
	folder[CardFile] = raw
	return Open(folder)
}

// File returns another file of the bundle, its checksum verified again.
func (b *Bundle) File(name string) ([]byte, error) {
	if _, ok := b.Card.Files[name]; !ok {
		return nil, fault.New(fault.NotFound, "model %s: %s: the card names no such file", b.Card.Name, name)
	}
	data, err := readFile(b.fsys, name, b.limits.FileBytes)
	if err == nil {
		err = b.matches(name, sum(data))
	}
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", b.Card.Name, err)
	}
	return data, nil
}

// verify reads model.onnx and compares every file with its checksum.
func (b *Bundle) verify() error {
	if len(b.Card.Files) > b.limits.Files {
		return fault.New(fault.Invalid, "card: files: %d of them, at most %d", len(b.Card.Files), b.limits.Files)
	}
	var problems []error
	for _, name := range b.names() {
		data, err := readFile(b.fsys, name, b.limits.FileBytes)
		if err == nil {
			err = b.matches(name, sum(data))
		}
		switch {
		case name == b.Card.Network():
			b.ONNX = data
		case name == HeadFile && b.Card.Kind == SlideHead:
			b.Head = data
		}
		problems = append(problems, err)
	}
	return join(problems)
}

// names returns the files that must be there, in order: those of the card, and
// those that its kind needs.
func (b *Bundle) names() []string {
	names := append(slices.Collect(maps.Keys(b.Card.Files)), ModelFile, b.Card.Network())
	if b.Card.Kind == SlideHead {
		names = append(names, HeadFile)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (b *Bundle) matches(name, got string) error {
	want := b.Card.Files[name]
	if want == "" {
		return fault.Hint(fault.New(fault.Invalid, "card: files: no SHA-256 of %s", name),
			`if that file is the right one, add to %s: "files": {"%s": "%s"}`, CardFile, name, got)
	}
	if !strings.EqualFold(want, got) {
		return fault.Hint(fault.New(fault.Corrupt, "%s: SHA-256 is %s, the card says %s", name, got, want),
			"fetch the bundle again, or correct the card if the file was changed on purpose")
	}
	return nil
}

func (b *Bundle) digest() string {
	lines := []string{CardFile + "\x00" + sum(b.RawCard)}
	for name, s := range b.Card.Files {
		lines = append(lines, name+"\x00"+strings.ToLower(s))
	}
	slices.Sort(lines)
	var text strings.Builder
	for _, l := range lines {
		name, s, _ := strings.Cut(l, "\x00")
		fmt.Fprintf(&text, "%s  %s\n", s, name)
	}
	return sum([]byte(text.String()))
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// readFile reads a regular file of at most limit bytes. Anything else is refused
// before it is opened: opening a pipe waits for its other end.
func readFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Corrupt, "%s: not a regular file", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer f.Close()
	info, err = f.Stat() // it may be another file by now
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, fault.New(fault.Corrupt, "%s: %w", name, err)
	}
	if info.Size() > limit {
		return nil, fault.New(fault.Corrupt, "%s: %d bytes, at most %d", name, info.Size(), limit)
	}
	var buf bytes.Buffer
	buf.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := io.Copy(&buf, io.LimitReader(f, limit+1)); err != nil {
		return nil, fault.New(fault.Corrupt, "%s: %w", name, err)
	}
	if int64(buf.Len()) > limit {
		return nil, fault.New(fault.Corrupt, "%s: more than %d bytes", name, limit)
	}
	return buf.Bytes(), nil
}

// unreadable says why a file of a bundle cannot be read, and what a model is where
// there seems to be none.
func unreadable(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fault.New(fault.NotFound, "%s: %w", name, fs.ErrNotExist)
	case errors.Is(err, syscall.ENOTDIR):
		err = fault.New(fault.Invalid, "the model is a file, not a folder")
	default:
		return fault.New(fault.Unavailable, "%s: %w", name, err)
	}
	return fault.Hint(err, "a model is a folder with %s and %s", CardFile, ModelFile)
}

// join returns one error for all problems, with the kind and the hint of the first.
// Problems that read the same are told once.
func join(problems []error) error {
	told := map[string]bool{}
	problems = slices.DeleteFunc(slices.Clone(problems), func(err error) bool {
		if err == nil || told[err.Error()] {
			return true
		}
		told[err.Error()] = true
		return false
	})
	if len(problems) == 0 {
		return nil
	}
	first := problems[0]
	return &fault.Error{Kind: fault.Of(first), Hint: fault.HintOf(first), Err: errors.Join(problems...)}
}
