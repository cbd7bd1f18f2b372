package detect

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bcc/fault"
	"bcc/wsi"
)

// Item is one slide to walk.
type Item struct {
	Name string  // unique in its list, slash-separated; names the result's folder
	Path string  // where the file lies
	MPP  wsi.MPP // overrides the file's own scale; zero: take the file's

	List string // the manifest that names it; empty: none does
	Line int    // in List, from 1
}

// slideEndings are the file endings that a folder is searched for.
var slideEndings = []string{".svs", ".tif", ".tiff", ".ptif", ".ptiff", ".btf", ".png", ".jpg", ".jpeg"}

// maskFolders hold pictures of where tissue or tumour is, not slides.
var maskFolders = []string{"masks", "tissue_masks"}

// Find turns what a person names (slides, folders, patterns, manifests) into
// the list of slides, in the order given and by name within a folder. Folders
// are searched to the bottom; hidden files, files *.mask.* and folders called
// masks or tissue_masks are left out. A manifest ends in .csv or .txt: see
// ReadManifest and ReadPaths.
//
// Results are never slides: out, the folder for results (empty or not there yet:
// none), is not searched, nor is any folder that holds a result of this program.
//
// What cannot be found or read is returned as a joined error beside the slides
// that can, so that one wrong name does not stop the others. When ctx ends, its
// cause is returned and no slide.
func Find(ctx context.Context, args []string, out string) ([]Item, error) {
	var items []Item
	err := each(ctx, args, &finder{out: realPath(out), yield: func(it Item) error {
		items = append(items, it)
		return nil
	}})
	items, twice := unique(ctx, items)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return items, errors.Join(err, twice)
}

// Each is Find for lists of any length: it hands each slide to yield as it is found, in
// constant memory, and so leaves in what is named twice and makes no name unique. It
// also takes addresses (https://, s3://, file:// and the like), named or in manifests,
// which are left as they are. An error of yield ends it and is returned as it is.
func Each(ctx context.Context, args []string, yield func(Item) error) error {
	return each(ctx, args, &finder{addresses: true, yield: yield})
}

func each(ctx context.Context, args []string, f *finder) error {
	err := f.all(ctx, args)
	if f.stopped != nil {
		return f.stopped
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// finder hands what it finds to yield, and knows where not to look.
type finder struct {
	out       string // the results folder, absolute and without links; empty: there is none
	addresses bool   // are taken, too
	yield     func(Item) error
	stopped   error // what yield said
}

func (f *finder) hand(it Item) error {
	f.stopped = f.yield(it)
	return f.stopped
}

func (f *finder) all(ctx context.Context, args []string) error {
	var wrong []error
	for _, arg := range args {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f.find(ctx, arg); err != nil {
			wrong = append(wrong, err)
		}
		if f.stopped != nil {
			break
		}
	}
	return errors.Join(wrong...)
}

func (f *finder) find(ctx context.Context, arg string) error {
	if f.addresses && IsAddress(arg) {
		it, err := manifestItem(arg)
		if err != nil {
			return err
		}
		return f.hand(it)
	}
	info, err := os.Stat(arg)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?["):
		return f.pattern(ctx, arg)
	case errors.Is(err, fs.ErrNotExist):
		return fault.Hint(fault.New(fault.NotFound, "%s: no such file or folder", arg), "check the spelling, or name the folder that holds the slides")
	case err != nil:
		return fault.New(fault.Unavailable, "look at %s: %w", arg, err)
	case info.IsDir():
		return f.folder(ctx, arg)
	case isManifest(arg):
		return f.manifest(ctx, arg)
	default:
		return f.hand(Item{Name: filepath.Base(arg), Path: arg})
	}
}

// pattern leaves out results that fit: a person who writes * does not mean them.
func (f *finder) pattern(ctx context.Context, pattern string) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return fault.New(fault.Invalid, "pattern %s: %w", pattern, err)
	}
	paths = slices.DeleteFunc(paths, func(p string) bool {
		return f.leavesOut(realPath(p)) || holdsResult(filepath.Dir(p))
	})
	if len(paths) == 0 {
		return fault.New(fault.NotFound, "%s: no file fits this pattern", pattern)
	}
	return f.all(ctx, paths)
}

// folder searches dir, also where dir is a link; links below it are not followed.
func (f *finder) folder(ctx context.Context, dir string) error {
	root := realPath(dir) // WalkDir does not enter a link
	if root == "" {
		return fault.New(fault.Unavailable, "search folder %s: it cannot be resolved", dir)
	}
	if f.leavesOut(root) {
		return fault.Hint(fault.New(fault.Invalid, "folder %s holds results, not slides", dir), "write the results elsewhere, with --out")
	}
	found := false
	var wrong problems
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil { // the folder at path is not read, or not to its end
			wrong.add(fault.New(fault.Unavailable, "search folder %s: %w", dir, err))
			return nil
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || slices.Contains(maskFolders, name) || f.leavesOut(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !isSlideName(name) {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		found = true
		return f.hand(Item{Name: filepath.ToSlash(rel), Path: filepath.Join(dir, rel)})
	})
	if err != nil {
		return fault.New(fault.Unavailable, "search folder %s: %w", dir, err)
	}
	if !found && wrong.none() {
		return fault.Hint(fault.New(fault.NotFound, "folder %s holds no slide", dir), "slides end in %s", strings.Join(slideEndings, " "))
	}
	return wrong.err()
}

// leavesOut reports whether path, as realPath gives it, is a folder of results.
func (f *finder) leavesOut(path string) bool {
	return f.out != "" && path == f.out || holdsResult(path)
}

func isManifest(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".csv" || ext == ".txt"
}

func isSlideName(name string) bool {
	lower := strings.ToLower(name)
	if strings.HasPrefix(name, ".") || strings.Contains(lower, ".mask.") {
		return false
	}
	return slices.Contains(slideEndings, filepath.Ext(lower))
}

// realPath returns path made absolute and without links, empty where there is
// nothing.
func realPath(path string) string {
	if path == "" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return ""
	}
	return real
}
