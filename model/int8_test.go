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
