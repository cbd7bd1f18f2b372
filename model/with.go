package model

import (
	"fmt"
	"maps"
)

// With returns the bundle with files added, or in the place of those of the same
// name, and fields of its card changed; checksums are filled in. It is checked as
// Open does.
func (b *Bundle) With(files map[string][]byte, changes []Change) (*Bundle, error) {
	folder, sums := memory{}, map[string]string{}
	for name := range b.Card.Files {
		data, err := b.File(name)
		if err != nil {
			return nil, err
		}
		folder[name] = data
	}
	maps.Copy(folder, files)
	for name, data := range folder {
		sums[name] = sum(data)
	}
	card, err := Amend(b.RawCard, append(changes[:len(changes):len(changes)], Change{Field: "files", Value: sums}))
	if err != nil {
		return nil, fmt.Errorf("change model %s: %w", b.Card.Name, err)
	}
	folder[CardFile] = card
	return Open(folder)
}
