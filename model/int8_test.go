package model_test

import (
	"bytes"
	"strings"
	"testing"

	"bcc/fault"
	"bcc/model"
)

func TestItRunsTheNetworkThatTheCardNames(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{model.ModelFile: network(2, dims(1, 3, 224, 224)...), model.Int8File: network(2, dims(2, 3, 224, 224)...)}
	card := card(model.PatchClassifier, nil)
	for file, want := range map[string]string{"": model.ModelFile, model.ModelFile: model.ModelFile, model.Int8File: model.Int8File} {
		card.DefaultFile = file
		got, err := model.Make(card, files)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.ONNX, files[want]) || got.Card.Network() != want {
			t.Errorf("default_file %q: another network runs than %s", file, want)
		}
	}
	card.DefaultFile = "other.onnx"
	if _, err := model.Make(card, files); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "default_file") {
		t.Errorf("a file of another name: %v", err)
	}
	card.DefaultFile = model.Int8File
	delete(files, model.Int8File)
	if _, err := model.Make(card, files); fault.Of(err) != fault.NotFound {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestItTakesAFileAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	b, err := model.Make(card(model.PatchClassifier, nil), map[string][]byte{model.ModelFile: network(2, dims(1, 3, 224, 224)...), "notes.txt": []byte("n")})
	if err != nil {
		t.Fatal(err)
	}
	int8 := network(2, dims(2, 3, 224, 224)...)
	got, err := b.With(map[string][]byte{model.Int8File: int8}, []model.Change{{Field: "default_file", Value: model.Int8File}})
	if err != nil {
		t.Fatal(err)
	}
	notes, err := got.File("notes.txt")
	if err != nil || string(notes) != "n" || !bytes.Equal(got.ONNX, int8) || got.Card.PatchSizePixels != 224 || got.Digest == b.Digest {
		t.Errorf("%+v, notes %q, %v", got.Card, notes, err)
	}
	if before, err := got.File(model.ModelFile); err != nil || !bytes.Equal(before, b.ONNX) {
		t.Errorf("model.onnx: %v", err)
	}
	if _, err := b.With(map[string][]byte{model.ModelFile: []byte("no network")}, nil); fault.Of(err) != fault.Corrupt {
		t.Errorf("a file that is no network: %v", err)
	}
	if b.Card.Files[model.Int8File] != "" {
		t.Error("the bundle itself is changed")
	}
}
