package detect

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strings"

	"bcc/fault"
	"bcc/wsi"
)

// unique drops a file named twice and gives different files of one name the
// folders above them, one at a time until all names differ, so that no result
// overwrites another and no more of a path shows than is needed. No name is the
// folder of another either: a.tif and a.tif/b.png would share a results folder.
//
// A file named twice with two scales keeps the first and is an error; so is a
// name that cannot be told from another's folder, and that slide is left out.
// What it returns after ctx ended is of no use.
func unique(ctx context.Context, items []Item) ([]Item, error) {
	var wrong problems
	list := distinct(ctx, items, &wrong)
	for ctx.Err() == nil {
		clashes := list.clashes()
		if len(clashes) == 0 || !list.lengthen(clashes) {
			break
		}
	}
	return list.apart(&wrong), wrong.err()
}

// named is a list of different files, with the parts of their absolute paths
// that names are taken from.
type named struct {
	items []Item
	parts [][]string
}

// distinct keeps the first of items that are one file.
func distinct(ctx context.Context, items []Item, wrong *problems) named {
	var list named
	seen := map[string]int{}       // absolute path, folders without links, to place in list
	folders := map[string]string{} // a folder to itself without links: asked once
	for _, it := range items {
		if ctx.Err() != nil {
			break
		}
		abs, err := filepath.Abs(it.Path)
		if err != nil { // no working directory: the path as given tells as much as there is
			abs = filepath.Clean(it.Path)
		}
		dir, base := filepath.Split(abs)
		real, known := folders[dir]
		if !known {
			if real = realPath(dir); real == "" {
				real = dir
			}
			folders[dir] = real
		}
		key := filepath.Join(real, base)
		if at, is := seen[key]; is {
			if first := list.items[at]; first.MPP != it.MPP {
				wrong.add(fault.New(fault.Invalid, "%s is named twice, with the scales %s and %s; the first is taken", it.Path, scaleText(first), scaleText(it)))
			}
			continue
		}
		seen[key] = len(list.items)
		list.items = append(list.items, it)
		list.parts = append(list.parts, strings.Split(strings.Trim(filepath.ToSlash(abs), "/"), "/"))
	}
	return list
}

// clashes returns the places of the items whose name is that of another item or
// of a folder in another's name.
func (l named) clashes() map[int]bool {
	first := make(map[string]int, len(l.items))
	clashes := map[int]bool{}
	for i, it := range l.items {
		if j, is := first[it.Name]; is {
			clashes[i], clashes[j] = true, true
			continue
		}
		first[it.Name] = i
	}
	for i, it := range l.items {
		for dir := range foldersOf(it.Name) {
			if j, is := first[dir]; is {
				clashes[i], clashes[j] = true, true
			}
		}
	}
	return clashes
}

// lengthen gives each of these items one more folder in its name and reports
// whether any had one left.
func (l named) lengthen(which map[int]bool) bool {
	longer := false
	for i := range which {
		have := strings.Count(l.items[i].Name, "/") + 1
		if parts := l.parts[i]; have < len(parts) {
			l.items[i].Name = strings.Join(parts[len(parts)-have-1:], "/")
			longer = true
		}
	}
	return longer
}

// apart returns the items without those whose results would lie in, around or in
// place of those of an earlier one.
func (l named) apart(wrong *problems) []Item {
	var kept []Item
	taken, around := map[string]Item{}, map[string]Item{} // results folders, and the folders above them
	for _, it := range l.items {
		other, is := taken[it.Name]
		if !is {
			other, is = around[it.Name]
		}
		for dir := range foldersOf(it.Name) {
			if !is {
				other, is = taken[dir]
			}
		}
		if is {
			wrong.add(fault.New(fault.Invalid, "%s and %s would share a results folder, the second is left out", other.Path, it.Path))
			continue
		}
		kept = append(kept, it)
		taken[it.Name] = it
		for dir := range foldersOf(it.Name) {
			around[dir] = it
		}
	}
	return kept
}

// foldersOf yields the folders in a name, the outermost first.
func foldersOf(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range len(name) {
			if name[i] == '/' && !yield(name[:i]) {
				return
			}
		}
	}
}

func scaleText(it Item) string {
	if it.MPP == (wsi.MPP{}) {
		return "of the file"
	}
	return fmt.Sprintf("%g µm", it.MPP.X)
}
