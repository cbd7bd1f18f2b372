package synth_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/synth"
	"bcc/wsi"
)

func TestASetSaysThatItIsSynthetic(t *testing.T) {
	t.Parallel()
	cfg := synth.SetConfig{Slide: synth.DefaultConfig(), Count: 1}
	cfg.Slide.Size, cfg.Slide.Variant = wsi.Size{W: 500, H: 400}, synth.Flat
	dir := t.TempDir()
	path := filepath.Join(dir, "card.json")
	if err := synth.WriteSet(t.Context(), dir, cfg); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var card struct {
		Training struct{ Data string }
		Failures []string `json:"known_failures"`
	}
	if err := json.Unmarshal(text, &card); err != nil || !strings.Contains(card.Training.Data, "synthetic") || len(card.Failures) != 1 {
		t.Errorf("%s: %v", text, err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := synth.WriteSet(t.Context(), dir, cfg); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(path); err != nil || string(text) != "{}" {
		t.Errorf("somebody's own card became %s, %v", text, err)
	}
}
