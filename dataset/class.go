package dataset

import (
	"slices"
	"strings"

	"bcc/fault"
)

// positives are the labels that mean the sought disease, in small letters.
var positives = []string{"1", "bcc", "basal cell carcinoma", "carcinoma", "tumor", "tumour", "malignant", "positive"}

// classesOf returns the labels as classes, the positive one first and the others by
// name. positive names it; empty: the one label that positives knows.
func classesOf(labels []string, positive string) ([]string, error) {
	seen := slices.Compact(slices.Sorted(slices.Values(labels)))
	if positive == "" {
		var known []string
		for _, l := range seen {
			if slices.Contains(positives, strings.ToLower(l)) {
				known = append(known, l)
			}
		}
		if len(known) != 1 {
			return nil, fault.Hint(fault.New(fault.Invalid, "which of the labels %q is the positive one?", most(seen)),
				"name it: --positive LABEL")
		}
		positive = known[0]
	}
	at := slices.Index(seen, positive)
	if at < 0 {
		return nil, fault.New(fault.Invalid, "no label is %q, which shall be the positive one; there are %q", positive, most(seen))
	}
	return append([]string{positive}, slices.Delete(seen, at, at+1)...), nil
}

// most keeps a message short where a column of free text was taken for labels.
func most(labels []string) []string {
	if len(labels) > shown {
		return append(slices.Clone(labels[:shown]), "…")
	}
	return labels
}

// classNames are what cards and reports call the classes: numbers mean what
// COBRA's tables mean by them.
func classNames(classes []string) []string {
	names := slices.Clone(classes)
	if slices.Equal(classes, []string{"1", "0"}) {
		names = []string{"BCC", "Non-malignant"}
	}
	return names
}
