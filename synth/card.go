package synth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"bcc/fault"
)

// cardFile is where a data set says what a model that learned from it has seen.
const cardFile = "card.json"

// card is what a set says: whoever meets a model of synthetic slides has to learn of
// it, however well it does. It names no seed, which stands in labels.csv, so that it
// stays true when slides are added.
const card = `{
  "training": {
    "data": "the split train of synthetic slides, drawn by bcc synth: no patient's tissue"
  },
  "known_failures": [
    "It has learned from drawings of tissue. What it says of a patient's slide has no known worth."
  ]
}
`

// writeCard writes what a model's card has to say of the set. A card that is there
// already stays: it may be somebody's own.
func writeCard(dir string) error {
	path := filepath.Join(dir, cardFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return atomically(path, func(f *os.File) error {
		if _, err := f.WriteString(card); err != nil {
			return fault.New(fault.Unavailable, "write %s: %w", cardFile, err)
		}
		return nil
	})
}
