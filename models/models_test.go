package models_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/grad/net"
	"bcc/model"
	"bcc/models"
)

func TestItShipsBundlesThatOpen(t *testing.T) {
	t.Parallel()
	if !slices.Contains(models.Names(), models.Default) {
		t.Fatalf("the default %s is not among %v", models.Default, models.Names())
	}
	for _, name := range models.Names() {
		fsys, err := models.FS(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := model.Open(fsys)
		if err != nil {
			t.Fatal(err)
		}
		c := b.Card
		if c.Name != name || c.IntendedUse != "not for diagnostic use" || len(c.KnownFailures) == 0 || c.Training == nil || c.Licence == "" {
			t.Errorf("%s: the card leaves out its name, use, failures, origin or licence", name)
		}
	}
}

func TestTheSurrogateOpensAndStaysOutOfTheProgram(t *testing.T) {
	t.Parallel()
	b, err := model.Open(os.DirFS("oscc-surrogate"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.Card.Description, "surrogate") || b.Card.PositiveClass == "BCC" {
		t.Errorf("the card does not say what it is: %s", b.Card.Description)
	}
	if slices.Contains(models.Names(), b.Card.Name) {
		t.Errorf("%s comes with the program: it would be run on skin", b.Card.Name)
	}
}

func TestItSaysWhichBundlesThereAre(t *testing.T) {
	t.Parallel()
	if _, err := models.FS("../model"); fault.Of(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("%v, want not found with a hint", err)
	}
}

func TestItShipsTheBaselineThatItsDescriptionMakes(t *testing.T) {
	t.Parallel()
	n, err := net.Build("baseline", net.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := n.Model()
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := models.FS(models.Baseline)
	if err != nil {
		t.Fatal(err)
	}
	b, err := model.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.ONNX, m.Marshal()) {
		t.Error("models/bcc-baseline/model.onnx is not what grad/net makes: run go run ./models/make")
	}
	if mean, std := b.Card.Normalization(); mean != n.Mean || std != n.Std {
		t.Errorf("the card normalises by %v %v, the network wants %v %v", mean, std, n.Mean, n.Std)
	}
}

func TestTheDemoKnowsHowItsSlidesWere(t *testing.T) {
	t.Parallel()
	fsys, err := models.FS(models.Demo)
	if err != nil {
		t.Fatal(err)
	}
	b, err := model.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Reference()
	if err != nil || r == nil || !strings.Contains(r.Set, "synthetic") || !strings.Contains(r.Set, "not patients' tissue") {
		t.Errorf("%+v, %v: want a reference that says what it is of", r, err)
	}
}
