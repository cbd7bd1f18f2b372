package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/wsi"
)

// Slide is one labelled slide.
type Slide struct {
	Name  string // as in the table; slash-separated
	Path  string // where the file lies
	Class int    // its place in SlideSet.Classes
	Group string // the patient
	Split string // train, val or test
	Bytes int64  // of the file
	Mask  string // where a tissue mask lies that came with the set; empty: none

	cells []string
}

// Positive reports whether the slide is of the positive class.
func (s Slide) Positive() bool { return s.Class == 0 }

// SlideSet is a set of labelled slides in the order of its table.
type SlideSet struct {
	Dir     string
	Classes []string // what the classes are called, the positive one first
	Slides  []Slide
	Notes   []string // what is odd about the set and no error

	head   []string
	digest string
}

// SlidesConfig says how a set of slides is checked.
type SlidesConfig struct {
	// Positive is the label of the positive class. Default: the one label that says
	// BCC, carcinoma, tumour or 1.
	Positive string

	// Size, where set, returns the size of level 0 of the slide at path, by its head:
	// each slide is opened and, for COBRA, compared with the table.
	Size func(path string) (wsi.Size, error)
}

// Slides reads DIR/labels.csv of a folder of slides, as bcc synth writes it. All that
// is wrong comes back as one error: rows, missing files, groups that cross splits.
func Slides(ctx context.Context, dir string, cfg SlidesConfig) (*SlideSet, error) {
	var bad problems
	l, err := readLabels(dir, cfg.Positive, &bad)
	if err != nil {
		return nil, fmt.Errorf("slides in %s: %w", dir, err)
	}
	set := &SlideSet{Dir: dir, Classes: classNames(l.classes), head: l.head, digest: l.sha256}
	for i, s := range l.samples {
		set.Slides = append(set.Slides, Slide{
			Name: s.path, Path: filepath.Join(dir, filepath.FromSlash(s.path)),
			Class: s.class, Group: s.group, Split: s.split, cells: l.rows[i].cells,
		})
	}
	files, err := look(ctx, set.Slides, cfg.Size)
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		set.Slides[i].Bytes = f.bytes
		if f.err != nil && namesFile(l.samples[i].path) {
			bad.add(fault.Of(f.err), "line %d: %s: %v", l.samples[i].line, l.samples[i].path, f.err)
		}
	}
	if err := bad.err(l.name); err != nil {
		return nil, fault.Hint(fmt.Errorf("slides in %s: %w", dir, err), "mend the rows or leave them out; nothing was learned from a part of them")
	}
	return set, nil
}

// seen is what one look at a slide's file told.
type seen struct {
	bytes int64
	size  wsi.Size // zero: nobody asked
	err   error
}

// look stats every slide's file and asks size for what it is given, several at once:
// the files may lie on a network drive.
func look(ctx context.Context, slides []Slide, size func(string) (wsi.Size, error)) ([]seen, error) {
	files := make([]seen, len(slides))
	var eg errgroup.Group
	eg.SetLimit(4 * runtime.GOMAXPROCS(0))
	for i, s := range slides {
		if ctx.Err() != nil {
			break
		}
		eg.Go(func() error {
			f := &files[i]
			info, err := os.Stat(s.Path)
			switch {
			case err != nil:
				f.err = fault.New(fault.NotFound, "%w", plain(err))
			case !info.Mode().IsRegular():
				f.err = fault.New(fault.Invalid, "not a file")
			default:
				f.bytes = info.Size()
				if size != nil {
					f.size, f.err = size(s.Path)
				}
			}
			return nil
		})
	}
	_ = eg.Wait() // what is wrong with a file stands beside it
	return files, context.Cause(ctx)
}

// Split returns the slides of one split.
func (s *SlideSet) Split(name string) []Slide {
	var out []Slide
	for _, sl := range s.Slides {
		if sl.Split == name {
			out = append(out, sl)
		}
	}
	return out
}

// Value returns the slide's cell in a column of the set's table, "" where there is
// no such column.
func (s *SlideSet) Value(sl Slide, column string) string {
	if at := slices.Index(s.head, column); at >= 0 && at < len(sl.cells) {
		return sl.cells[at]
	}
	return ""
}

// Digest returns the SHA-256 of the tables and of the names and sizes of the files.
// It does not read the slides: COBRA has 201 GB of them. What is read from a slide
// carries the slide's own digest.
func (s *SlideSet) Digest() string {
	h := sha256.New()
	fmt.Fprintln(h, s.digest)
	for _, sl := range s.Slides {
		fmt.Fprintf(h, "%q %d\n", sl.Name, sl.Bytes)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Summary says in one line how many of each class and group each split holds.
func (s *SlideSet) Summary() string {
	all := make([]sample, len(s.Slides))
	for i, sl := range s.Slides {
		all[i] = sample{class: sl.Class, group: sl.Group, split: sl.Split}
	}
	return tally(all, s.Classes, s.Classes)
}

// stem is a slide's name without its ending.
func (s Slide) stem() string { return strings.TrimSuffix(s.Path, filepath.Ext(s.Path)) }

// Beside returns the path of a file that belongs to the slide: its own path with
// another ending, such as ".mask.tif". Empty: there is none.
func (s Slide) Beside(ending string) string {
	path := s.stem() + ending
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}
