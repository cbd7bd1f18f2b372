package dataset

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"bcc/fault"
)

// LabelsFile is the table of a data set that is not COBRA's.
const LabelsFile = "labels.csv"

// labels is labels.csv, checked as far as it can be without opening a file.
type labels struct {
	*table
	samples []sample // one a row
	classes []string // as in the table, the positive one first
}

// sample is what a row says.
type sample struct {
	line               int
	path, group, split string
	label              string
	class              int
}

// readLabels reads DIR/labels.csv. What is wrong with its rows goes to bad; only a
// table that is none is an error at once.
func readLabels(dir, positive string, bad *problems) (*labels, error) {
	t, err := readTable(dir, LabelsFile, "path", "label", "group", "split")
	if err != nil {
		if fault.HintOf(err) == "" {
			err = fault.Hint(err, "a data set is a folder with %s: path,label,group,split and a row a file", LabelsFile)
		}
		return nil, err
	}
	l := &labels{table: t, samples: make([]sample, len(t.rows))}
	at := [4]int{t.column("path"), t.column("label"), t.column("group"), t.column("split")}
	words := make([]string, 0, len(t.rows))
	for i, r := range t.rows {
		l.samples[i] = sample{line: r.line, path: r.cells[at[0]], label: r.cells[at[1]], group: r.cells[at[2]], split: r.cells[at[3]]}
		if label := r.cells[at[1]]; label != "" {
			words = append(words, label)
		}
	}
	l.checkRows(bad)
	if l.classes, err = classesOf(words, positive); err != nil {
		bad.add(fault.Of(err), "%v", err)
		return l, fault.Hint(bad.err(l.name), "%s", fault.HintOf(err))
	}
	for i := range l.samples {
		l.samples[i].class = slices.Index(l.classes, l.samples[i].label)
	}
	checkGroups(l.samples, "group", bad)
	checkClasses(l.samples, l.classes, bad)
	return l, nil
}

// checkRows finds what is wrong with a row by itself, and rows that name one file.
func (l *labels) checkRows(bad *problems) {
	first := map[string]int{} // line by path
	for _, s := range l.samples {
		switch {
		case s.path == "":
			bad.add(fault.Invalid, "line %d: no path", s.line)
		case !namesFile(s.path):
			bad.add(fault.Invalid, "line %d: the path %q leads out of the folder", s.line, s.path)
		case first[path.Clean(s.path)] > 0:
			bad.add(fault.Invalid, "line %d: %s stands in line %d already", s.line, s.path, first[path.Clean(s.path)])
		default:
			first[path.Clean(s.path)] = s.line
		}
		if s.label == "" {
			bad.add(fault.Invalid, "line %d: no label", s.line)
		}
		if s.group == "" {
			bad.add(fault.Invalid, "line %d: no group (the patient, or what stands for one)", s.line)
		}
		checkSplit(s, bad)
	}
}

func checkSplit(s sample, bad *problems) {
	if !slices.Contains(splits, s.split) {
		bad.add(fault.Invalid, "line %d: unknown split %q: want %s", s.line, s.split, strings.Join(splits, ", "))
	}
}

// checkGroups proves that no group stands in two splits. what is the word for one.
func checkGroups(samples []sample, what string, bad *problems) {
	first := map[string]sample{}
	told := map[string]bool{}
	for _, s := range samples {
		f, seen := first[s.group]
		switch {
		case s.group == "" || !slices.Contains(splits, s.split):
		case !seen:
			first[s.group] = s
		case f.split != s.split && !told[s.group]:
			told[s.group] = true
			bad.add(fault.Invalid, "%s %s crosses splits: %s in %s (line %d), %s in %s (line %d)",
				what, s.group, f.path, f.split, f.line, s.path, s.split, s.line)
		}
	}
}

// checkClasses finds splits that hold one class only: nothing can be learned from
// one, nor measured on it.
func checkClasses(samples []sample, classes []string, bad *problems) {
	count := map[string]map[string]int{}
	for _, s := range samples {
		if count[s.split] == nil {
			count[s.split] = map[string]int{}
		}
		count[s.split][s.label]++
	}
	for _, split := range splits {
		if n := count[split]; len(n) == 1 {
			for label := range n {
				bad.add(fault.Invalid, "split %s: all %d are %q, and two classes are needed (of %q)", split, n[label], label, most(classes))
			}
		}
	}
}

// tally says in words how many of each class a split holds.
func tally(samples []sample, classes, names []string) string {
	var out []string
	for _, split := range splits {
		n := make([]int, len(classes))
		groups := map[string]bool{}
		for _, s := range samples {
			if s.split == split {
				n[s.class]++
				groups[s.group] = true
			}
		}
		if len(groups) == 0 {
			continue
		}
		var parts []string
		for c, k := range n {
			parts = append(parts, fmt.Sprintf("%d %s", k, names[c]))
		}
		out = append(out, fmt.Sprintf("%s: %s in %d groups", split, strings.Join(parts, ", "), len(groups)))
	}
	return strings.Join(out, "; ")
}
