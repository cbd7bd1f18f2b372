package bag

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"

	"bcc/fault"
)

// Names of what Samples.Read fills.
const (
	InputEmbeddings = "input" // (patches, dims) of a sample: embeddings, then zeros
	InputMask       = "mask"  // (patches) of a sample: 1 for an embedding, else 0
)

// Labelled is a bag with what it is an example of.
type Labelled struct {
	Path  string // of the bag
	Name  string // of the slide, for messages
	Class int
	Group string // patient, or whatever stands for one
}

// Samples is a labelled set of bags in a fixed order, each cut or filled up to the
// same number of patches. It is safe for concurrent use; a bag is open only while
// it is read.
type Samples struct {
	bags    []Labelled
	empty   []string
	patches int
	dims    int
	encoder string
	digest  string
}

// maxWrong is how many bad bags are told one by one.
const maxWrong = 20

// NewSamples looks at every bag: all must be of one encoder. Bags without a patch
// (no tissue was found) are left out, see Empty. Everything wrong is reported at
// once.
func NewSamples(bags []Labelled, patches int) (*Samples, error) {
	if patches < 1 || patches > maxCount {
		return nil, fault.New(fault.Invalid, "bags of %d patches: want 1 to %d", patches, maxCount)
	}
	s := &Samples{patches: patches}
	all := sha256.New()
	var wrong []error
	first := ""
	for _, l := range bags {
		f, err := OpenFile(l.Path)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("slide %s: %w", l.Name, err))
			continue
		}
		info, n, digest := f.Info, f.Len(), f.Digest()
		f.Close()
		if first == "" {
			s.encoder, s.dims, first = info.Encoder, info.Dims, l.Name
		}
		switch {
		case info.Encoder != s.encoder || info.Dims != s.dims:
			wrong = append(wrong, fault.Hint(fault.New(fault.Invalid, "slide %s: its bag is of the encoder %.12s (%d numbers), that of %s of %.12s (%d)",
				l.Name, info.Encoder, info.Dims, first, s.encoder, s.dims), "bcc embed with one model makes them anew"))
		case n == 0:
			s.empty = append(s.empty, l.Name)
		default:
			s.bags = append(s.bags, l)
			fmt.Fprintf(all, "%s %d %q %q\n", digest, l.Class, l.Group, l.Name)
		}
	}
	if n := len(wrong); n > maxWrong {
		wrong = append(wrong[:maxWrong], fmt.Errorf("and %d more", n-maxWrong))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, fault.New(fault.Of(wrong[0]), "bags: %w", err)
	}
	if len(s.bags) == 0 {
		return nil, fault.New(fault.Invalid, "bags: none of %d holds a patch", len(bags))
	}
	s.digest = hex.EncodeToString(all.Sum(nil))
	return s, nil
}

// Len returns the number of bags that hold a patch.
func (s *Samples) Len() int { return len(s.bags) }

// Class returns the class of sample i.
func (s *Samples) Class(i int) int { return s.bags[i].Class }

// Group returns the group of sample i.
func (s *Samples) Group(i int) string { return s.bags[i].Group }

// Name returns the name of the slide of sample i.
func (s *Samples) Name(i int) string { return s.bags[i].Name }

// Path returns where the bag of sample i lies.
func (s *Samples) Path(i int) string { return s.bags[i].Path }

// Empty returns the names of the slides left out because their bags hold nothing.
func (s *Samples) Empty() []string { return s.empty }

// Patches returns the number of rows that Read fills.
func (s *Samples) Patches() int { return s.patches }

// Dims returns the numbers of an embedding.
func (s *Samples) Dims() int { return s.dims }

// Encoder returns the digest of what made the embeddings.
func (s *Samples) Encoder() string { return s.encoder }

// Digest returns the SHA-256, in hex, of all bags, their labels and their order.
func (s *Samples) Digest() string { return s.digest }

// Read writes sample i to dst(InputEmbeddings), Patches×Dims, and dst(InputMask),
// Patches. Of a bag with more patches a part is taken, in grid order: drawn from
// rng, so that each epoch sees others, or spread evenly where rng is nil. A smaller
// bag is filled up with zeros.
func (s *Samples) Read(ctx context.Context, i int, rng *rand.Rand, dst func(input string) []float32) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	rows, mask := dst(InputEmbeddings), dst(InputMask)
	if len(rows) != s.patches*s.dims || len(mask) != s.patches {
		return fault.New(fault.Internal, "bag of slide %s: room for %d numbers and %d marks, want %d and %d",
			s.bags[i].Name, len(rows), len(mask), s.patches*s.dims, s.patches)
	}
	f, err := OpenFile(s.bags[i].Path)
	if err != nil {
		return damaged(err, s.bags[i])
	}
	defer f.Close()
	if f.Encoder != s.encoder || f.Dims != s.dims {
		return fault.New(fault.Invalid, "slide %s: its bag was replaced meanwhile", s.bags[i].Name)
	}
	picked := pick(f.Len(), s.patches, rng)
	n := len(picked)
	if err := f.Rows(rows[:n*s.dims], picked); err != nil {
		return damaged(fmt.Errorf("%s: %w", s.bags[i].Path, err), s.bags[i])
	}
	clear(rows[n*s.dims:])
	clear(mask)
	for k := range n {
		mask[k] = 1
	}
	return nil
}

// damaged says of which slide a bag cannot be read and, where its bytes are to
// blame, how another one is had.
func damaged(err error, l Labelled) error {
	err = fmt.Errorf("slide %s: %w", l.Name, err)
	if fault.Of(err) == fault.Corrupt {
		err = fault.Hint(err, "remove %s: bcc embed makes it again", l.Path)
	}
	return err
}

// pick returns at most want of the numbers below n, ascending.
func pick(n, want int, rng *rand.Rand) []int {
	picked := make([]int, 0, min(n, want))
	for i := range n {
		left := cap(picked) - len(picked)
		switch {
		case left == 0:
			return picked
		case rng == nil: // one of each of want equal parts
			if i >= len(picked)*n/cap(picked) {
				picked = append(picked, i)
			}
		case rng.IntN(n-i) < left: // selection sampling: Knuth, TAOCP 2, algorithm 3.4.2 S
			picked = append(picked, i)
		}
	}
	return picked
}
