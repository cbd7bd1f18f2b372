package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"bcc/fault"
	"bcc/model"
)

// cardTemplate is what a person says for the card of a model to be trained: what no
// program can know. Figures and an operating point are measured, and the rest follows
// from the network and the data; a template cannot say those.
type cardTemplate struct {
	Name            string            `json:"name"`
	Version         string            `json:"version"`
	IntendedUse     string            `json:"intended_use"`
	Description     string            `json:"description"`
	Licence         string            `json:"licence"`
	ClassNames      []string          `json:"class_names"` // better than the labels, the positive one first
	SpacingUMPx     float64           `json:"spacing_um_px"`
	LesionThreshold *float64          `json:"lesion_threshold"`
	Training        *templateTraining `json:"training"`
	KnownFailures   []string          `json:"known_failures"`
}

type templateTraining struct {
	Data    string `json:"data"`
	Licence string `json:"licence"`
	Split   string `json:"split"`
}

// templateFields are for a hint.
const templateFields = "name, version, description, licence, class_names, spacing_um_px, lesion_threshold, known_failures, and data, licence and split of training"

// noDiagnosis is the only intended use of a model from here.
const noDiagnosis = "not for diagnostic use"

// template reads what the model's card shall say beyond what training knows: the
// file named, else card.json in the data set's folder, which describes the data.
func (f *trainFlags) template() (model.Card, error) {
	path := f.card
	if path == "" {
		path = filepath.Join(f.data, model.CardFile)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && f.card == "" {
		return model.Card{}, nil
	}
	if err != nil {
		return model.Card{}, fault.New(fault.NotFound, "--card: %w", err)
	}
	c, err := parseTemplate(text)
	if err != nil {
		return c, fault.New(fault.Of(err), "card %s: %w", path, err)
	}
	return c, nil
}

// parseTemplate reads a template; what training would drop in silence is refused.
func parseTemplate(text []byte) (model.Card, error) {
	var t cardTemplate
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // a misspelt field is one that would be lost
	if err := d.Decode(&t); err != nil {
		return model.Card{}, fault.Hint(fault.New(fault.Invalid, "%w", err),
			"it may say %s; training and bcc evaluate --write-card fill in the rest", templateFields)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return model.Card{}, fault.Hint(fault.New(fault.Invalid, "something follows the JSON object"), "leave one object in the file")
	}
	if t.IntendedUse != "" && t.IntendedUse != noDiagnosis {
		return model.Card{}, fault.Hint(fault.New(fault.Invalid, "intended_use %.60q: a model from here is %s", t.IntendedUse, noDiagnosis),
			"leave the field out")
	}
	c := model.Card{
		Name: t.Name, Version: t.Version, Description: t.Description, Licence: t.Licence, ClassNames: t.ClassNames,
		SpacingUMPx: t.SpacingUMPx, LesionThreshold: t.LesionThreshold, KnownFailures: t.KnownFailures,
	}
	if t.Training != nil {
		c.Training = &model.Training{Data: t.Training.Data, Licence: t.Training.Licence, Split: t.Training.Split}
	}
	return c, nil
}

// nameClasses gives the card the data's classes, the positive one first, unless the
// template has better names for them. Names that would call a class by another one's
// label are refused: detect would take the one for the other.
func nameClasses(c *model.Card, classes []string) error {
	c.NumClasses = len(classes)
	if len(c.ClassNames) == 0 {
		c.ClassNames = classes
	}
	refuse := func(format string, args ...any) error {
		return fault.Hint(fault.New(fault.Invalid, format, args...),
			"name each of %q in this order, the positive one first (--positive says which that is), or leave class_names out", classes)
	}
	if len(c.ClassNames) != len(classes) {
		return refuse("card: class_names: %d names for %d classes", len(c.ClassNames), len(classes))
	}
	for i, name := range c.ClassNames {
		for k, label := range classes {
			if k != i && strings.EqualFold(strings.TrimSpace(name), label) {
				return refuse("card: class_names: %q stands for the class %q of the data", name, classes[i])
			}
		}
	}
	c.PositiveClass = c.ClassNames[0]
	return nil
}

// wellFormed refuses a card that the trained model could not be opened with, before
// hours are spent on its weights.
func wellFormed(c model.Card) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fault.New(fault.Invalid, "card: %w", err)
	}
	if _, err := model.ParseCard(text); err != nil {
		return fmt.Errorf("the model to be trained: %w", err)
	}
	return nil
}
