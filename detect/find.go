package detect

import (
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
}

// slideEndings are the file endings that a folder is searched for.
var slideEndings = []string{".svs", ".tif", ".tiff", ".ptif", ".ptiff", ".btf", ".png", ".jpg", ".jpeg"}

// maskFolders hold pictures of where tissue or tumour is, not slides.
var maskFolders = []string{"masks", "tissue_masks"}

// Find turns what a person names (slides, folders, patterns, manifests) into
// the list of slides, in the order given and by name within a folder. Folders
// are searched to the bottom; hidden files, files *.mask.* and folders called
// masks or tissue_masks are left out. A manifest ends in .csv or .txt.
//
// What cannot be found is returned as a joined error beside the slides that
// can, so that one wrong name does not stop the others.
func Find(args []string) ([]Item, error) {
	var items []Item
	var wrong []error
	for _, arg := range args {
		found, err := find(arg)
		if err != nil {
			wrong = append(wrong, err)
		}
		items = append(items, found...)
	}
	items = unique(items)
	return items, errors.Join(wrong...)
}

func find(arg string) ([]Item, error) {
	info, err := os.Stat(arg)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?["):
		return findPattern(arg)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Hint(fault.New(fault.NotFound, "%s: no such file or folder", arg), "check the spelling, or name the folder that holds the slides")
	case err != nil:
		return nil, fault.New(fault.Unavailable, "look at %s: %w", arg, err)
	case info.IsDir():
		return findFolder(arg)
	case isManifest(arg):
		return findManifest(arg)
	default:
		return []Item{{Name: filepath.Base(arg), Path: arg}}, nil
	}
}

func findPattern(pattern string) ([]Item, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fault.New(fault.Invalid, "pattern %s: %w", pattern, err)
	}
	if len(paths) == 0 {
		return nil, fault.New(fault.NotFound, "%s: no file fits this pattern", pattern)
	}
	var items []Item
	var wrong []error
	for _, p := range paths {
		found, err := find(p)
		if err != nil {
			wrong = append(wrong, err)
		}
		items = append(items, found...)
	}
	return items, errors.Join(wrong...)
}

func findFolder(dir string) ([]Item, error) {
	var items []Item
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != dir && (strings.HasPrefix(name, ".") || slices.Contains(maskFolders, name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !isSlideName(name) {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		items = append(items, Item{Name: filepath.ToSlash(rel), Path: path})
		return nil
	})
	if err != nil {
		return items, fault.New(fault.Unavailable, "search folder %s: %w", dir, err)
	}
	if len(items) == 0 {
		return nil, fault.Hint(fault.New(fault.NotFound, "folder %s holds no slide", dir), "slides end in %s", strings.Join(slideEndings, " "))
	}
	return items, nil
}

func findManifest(path string) ([]Item, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "open manifest: %w", err)
	}
	defer f.Close()
	var items []Item
	err = ReadManifest(f, func(it Item) error {
		if !filepath.IsAbs(it.Path) {
			it.Path = filepath.Join(filepath.Dir(path), it.Path)
		}
		items = append(items, it)
		return nil
	})
	if err != nil {
		return items, fault.New(fault.Of(err), "manifest %s: %w", path, err)
	}
	return items, nil
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

// unique drops a file named twice and gives different files of one name the
// folders above them, as many as tell them apart, so that no result overwrites
// another.
func unique(items []Item) []Item {
	seen := map[string]bool{} // by absolute path
	byName := map[string]int{}
	kept := items[:0]
	for _, it := range items {
		abs, err := filepath.Abs(it.Path)
		if err != nil {
			abs = it.Path
		}
		if seen[abs] {
			continue
		}
		seen[abs] = true
		byName[it.Name]++
		kept = append(kept, it)
	}
	for i, it := range kept {
		if byName[it.Name] > 1 {
			abs, _ := filepath.Abs(it.Path)
			kept[i].Name = strings.TrimPrefix(filepath.ToSlash(abs), "/")
		}
	}
	return kept
}
