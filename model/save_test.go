package model_test

import (
	"os"
	"path/filepath"
	"testing"

	"bcc/fault"
	"bcc/model"
)

func TestItSavesABundleOverAnOlderOne(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "model")
	for width := range int64(2) {
		net, head := encoder(7+width, "embedding"), headNetwork(7+width, 2)
		b, err := model.Make(card(model.SlideHead, nil), map[string][]byte{model.ModelFile: net, model.HeadFile: head})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Save(dir); err != nil {
			t.Fatal(err)
		}
		again, err := model.Open(os.DirFS(dir))
		if err != nil || again.Digest != b.Digest {
			t.Fatalf("saved and opened: %v", err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 3 {
			t.Errorf("%d files, want 3", len(left))
		}
	}
	b, _ := model.New(card(model.Encoder, nil), encoder(2, "y"))
	if err := b.Save(filepath.Join(dir, model.CardFile)); fault.Of(err) != fault.Unavailable { // a file in the folder's place
		t.Errorf("%v, want that it cannot be written", err)
	}
}
