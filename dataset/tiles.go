package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
)

// Input is the name under which samples go into a network.
const Input = "input"

// TilesConfig says how tiles are read.
type TilesConfig struct {
	// SizePx is the side every tile has to have. Default 0: that of the first.
	SizePx int

	// Positive is the label of the positive class. Default: the one label that
	// says carcinoma, tumour, BCC or 1.
	Positive string

	// Mean and Std normalise what Read writes, as model.Card.Normalization gives
	// them. Default (zero): values from 0 to 1.
	Mean, Std [3]float32

	// Augment changes what Read writes where it is given a source of randomness.
	// Default nil: nothing is changed.
	Augment Augment

	// MaxBytes bounds the decoded pictures kept in memory. Default (0) 512 MiB:
	// 3,500 tiles of 224 px. The first ones read stay; epochs go through all in
	// another order each time, where the least recently used would never hit.
	MaxBytes int64
}

// Tiles are labelled pictures of one size: samples for training, or a part of
// them. Several goroutines may use them at once.
type Tiles struct {
	set  *tileSet
	rows []int // of the set, in the table's order
}

// tileSet is what all parts of a data set share.
type tileSet struct {
	*labels
	dir    string
	px     int
	cfg    TilesConfig
	normal *Normal
	names  []string // of the classes, for people
	digest []string // SHA-256 of each file
	leaks  []bool   // a picture to learn from that is also one to measure on
	notes  []string

	pixels  []atomic.Pointer[[]byte] // decoded
	kept    atomic.Int64             // bytes of them
	scratch sync.Pool                // *[]byte of a tile's pixels
}

// OpenTiles reads DIR/labels.csv and looks at every file: whether it is there, whole,
// a picture by its head, and of the right size. All that is wrong comes back as one
// error. Pixels are decoded when they are read.
func OpenTiles(ctx context.Context, dir string, cfg TilesConfig) (*Tiles, error) {
	normal, err := NewNormal(cfg.Mean, cfg.Std)
	if err != nil {
		return nil, err
	}
	if cfg.SizePx < 0 || cfg.SizePx > maxTileSide || cfg.MaxBytes < 0 {
		return nil, fault.New(fault.Invalid, "tiles of %d px kept in %d bytes: want 0 to %d px, 0 bytes or more", cfg.SizePx, cfg.MaxBytes, maxTileSide)
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 512 << 20
	}
	var bad problems
	l, err := readLabels(dir, cfg.Positive, &bad)
	if err != nil {
		return nil, fmt.Errorf("tiles in %s: %w", dir, err)
	}
	s := &tileSet{labels: l, dir: dir, px: cfg.SizePx, cfg: cfg, normal: normal, names: classNames(l.classes)}
	s.digest = make([]string, len(l.samples))
	s.leaks = make([]bool, len(l.samples))
	s.pixels = make([]atomic.Pointer[[]byte], len(l.samples))
	if err := s.checkFiles(ctx, &bad); err != nil {
		return nil, err
	}
	if err := bad.err(l.name); err != nil {
		return nil, fault.Hint(fmt.Errorf("tiles in %s: %w", dir, err), "mend the rows or leave them out; nothing was learned from a part of them")
	}
	s.findTwins()
	t := &Tiles{set: s, rows: make([]int, len(l.samples))}
	for i := range t.rows {
		t.rows[i] = i
	}
	return t, nil
}

// checkFiles reads every file once, on all cores: its digest, its head, its end.
func (s *tileSet) checkFiles(ctx context.Context, bad *problems) error {
	found := make([]error, len(s.samples))
	sides := make([]int, len(s.samples))
	var next atomic.Int64
	eg, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		eg.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(s.samples) || ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if !namesFile(s.samples[i].path) {
					continue // told already
				}
				text, err := s.file(i)
				if err == nil {
					sum := sha256.Sum256(text)
					s.digest[i] = hex.EncodeToString(sum[:])
					if sides[i], err = pictureSide(text); err != nil {
						err = fault.New(fault.Of(err), "%s: %w", s.samples[i].path, err)
					}
				}
				found[i] = err
			}
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	for i, sm := range s.samples {
		if s.px == 0 {
			s.px = sides[i]
		}
		if err := found[i]; err != nil {
			bad.add(fault.Of(err), "line %d: %v", sm.line, err)
		} else if sides[i] != s.px && namesFile(sm.path) {
			bad.add(fault.Invalid, "line %d: %s is %d px wide and high, not %d", sm.line, sm.path, sides[i], s.px)
		}
	}
	return nil
}

// file returns the bytes of a tile's file.
func (s *tileSet) file(i int) ([]byte, error) {
	name := s.samples[i].path
	f, err := openFile(filepath.Join(s.dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, fault.New(fileKind(err), "%s: %w", name, plain(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%s: %w", name, plain(err))
	}
	if info.Size() > maxTileFile {
		return nil, fault.New(fault.Unsupported, "%s: a file of %d bytes, a tile has at most %d", name, info.Size(), maxTileFile)
	}
	text := make([]byte, info.Size())
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, fault.New(fault.Corrupt, "%s: %w", name, plain(err))
	}
	return text, nil
}

// findTwins finds files that are the same to the byte. One that stands in train and
// also in val or test is no longer learned from; the others are told.
func (s *tileSet) findTwins() {
	same := map[string][]int{}
	for i, d := range s.digest {
		same[d] = append(same[d], i)
	}
	leaks, torn := 0, 0
	for i, d := range s.digest {
		twins := same[d]
		if twins[0] == i && slices.ContainsFunc(twins, func(k int) bool { return s.samples[k].label != s.samples[i].label }) {
			torn++
		}
		if s.samples[i].split == Train && slices.ContainsFunc(twins, func(k int) bool { return s.samples[k].split != Train }) {
			s.leaks[i] = true
			leaks++
		}
	}
	if torn > 0 {
		s.notes = append(s.notes, fmt.Sprintf("%d pictures stand in the table under two labels, the same to the byte", torn))
	}
	if leaks > 0 {
		s.notes = append(s.notes, fmt.Sprintf("%d pictures of train also stand in val or test, the same to the byte: they are not learned from", leaks))
	}
}

// Split returns the tiles of one split, without those of train that also stand in
// another; see Notes.
func (t *Tiles) Split(name string) *Tiles {
	return t.part(func(i int) bool { return t.set.samples[i].split == name && !t.set.leaks[i] })
}

// Where returns the tiles whose cell in a column of the table is value; none where
// there is no such column.
func (t *Tiles) Where(column, value string) *Tiles {
	at := t.set.column(column)
	return t.part(func(i int) bool { return at >= 0 && t.set.rows[i].cells[at] == value })
}

func (t *Tiles) part(in func(row int) bool) *Tiles {
	p := &Tiles{set: t.set}
	for _, i := range t.rows {
		if in(i) {
			p.rows = append(p.rows, i)
		}
	}
	return p
}

// Len returns the number of tiles.
func (t *Tiles) Len() int { return len(t.rows) }

// Px returns the side of every tile in pixels.
func (t *Tiles) Px() int { return t.set.px }

// Classes returns what the classes are called, the positive one first.
func (t *Tiles) Classes() []string { return t.set.names }

// Class returns the place of the i-th tile's class in Classes.
func (t *Tiles) Class(i int) int { return t.set.samples[t.rows[i]].class }

// Group returns the i-th tile's group.
func (t *Tiles) Group(i int) string { return t.set.samples[t.rows[i]].group }

// Name returns the i-th tile's path as it stands in the table.
func (t *Tiles) Name(i int) string { return t.set.samples[t.rows[i]].path }

// Columns returns the columns of the table.
func (t *Tiles) Columns() []string { return t.set.head }

// Value returns the i-th tile's cell in a column, "" where there is no such column.
func (t *Tiles) Value(i int, column string) string {
	at := t.set.column(column)
	if at < 0 {
		return ""
	}
	return t.set.rows[t.rows[i]].cells[at]
}

// RGB returns the pixels of the i-th tile, 3·px·px bytes, and its side. The caller
// must not change them.
func (t *Tiles) RGB(ctx context.Context, i int) (pix []byte, px int, err error) {
	s, at := t.set, t.rows[i]
	if p := s.pixels[at].Load(); p != nil {
		return *p, s.px, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	text, err := s.file(at)
	if err != nil {
		return nil, 0, err
	}
	if pix, err = decodePicture(text, s.px); err != nil {
		return nil, 0, fault.Hint(fault.New(fault.Of(err), "%s: %w", s.samples[at].path, err), "put a whole picture in its place, or leave its row out of %s", s.name)
	}
	if n := int64(len(pix)); s.kept.Add(n) > s.cfg.MaxBytes || !s.pixels[at].CompareAndSwap(nil, &pix) {
		s.kept.Add(-n)
	}
	return pix, s.px, nil
}

// Read writes the i-th tile, normalised, to dst(Input): red, then green, then blue,
// px·px values each. With rng nil it is as the file has it, else augmented.
func (t *Tiles) Read(ctx context.Context, i int, rng *rand.Rand, dst func(input string) []float32) error {
	pix, px, err := t.RGB(ctx, i)
	if err != nil {
		return err
	}
	s := t.set
	if rng == nil || s.cfg.Augment == nil {
		return s.normal.Write(dst(Input), pix)
	}
	changed, _ := s.scratch.Get().(*[]byte)
	if changed == nil {
		changed = new([]byte)
		*changed = make([]byte, len(pix))
	}
	defer s.scratch.Put(changed)
	s.cfg.Augment(rng, *changed, pix, px)
	return s.normal.Write(dst(Input), *changed)
}

// Digest returns the SHA-256 of the table and of every file it names, in its order:
// the same for every part of a data set.
func (t *Tiles) Digest() string {
	h := sha256.New()
	fmt.Fprintln(h, t.set.sha256)
	for _, d := range t.set.digest {
		fmt.Fprintln(h, d)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// File is a file of a data set.
type File struct {
	Path   string `json:"path"` // below the data set's folder
	SHA256 string `json:"sha256"`
}

// Files returns the tiles' files with their digests.
func (t *Tiles) Files() []File {
	out := make([]File, len(t.rows))
	for k, i := range t.rows {
		out[k] = File{t.set.samples[i].path, t.set.digest[i]}
	}
	return out
}

// Summary says in one line how many of each class and group each split holds.
func (t *Tiles) Summary() string {
	part := make([]sample, len(t.rows))
	for k, i := range t.rows {
		part[k] = t.set.samples[i]
	}
	return tally(part, t.set.classes, t.set.names)
}

// Notes says what is odd about the data set and no error.
func (t *Tiles) Notes() []string { return t.set.notes }
