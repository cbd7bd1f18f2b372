// Command make writes the networks of the shipped bundles again from their
// description, and their checksums into the cards: go run ./models/make. The same
// source gives the same bytes.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"bcc/grad/net"
	"bcc/models"
)

// checksum is the card's line for the network.
var checksum = regexp.MustCompile(`("model\.onnx":\s*)"[0-9a-f]*"`)

func main() {
	if err := remake(filepath.Join("models", models.Baseline), "baseline"); err != nil {
		fmt.Fprintln(os.Stderr, "make: error:", err)
		os.Exit(1)
	}
}

func remake(dir, network string) error {
	n, err := net.Build(network, net.Config{})
	if err != nil {
		return err
	}
	m, err := n.Model()
	if err != nil {
		return err
	}
	data := m.Marshal()
	cardPath := filepath.Join(dir, "card.json")
	card, err := os.ReadFile(cardPath)
	if err != nil {
		return err
	}
	if !checksum.Match(card) {
		return fmt.Errorf("%s: no checksum of model.onnx to replace", cardPath)
	}
	sum := sha256.Sum256(data)
	card = checksum.ReplaceAll(card, []byte(`${1}"`+hex.EncodeToString(sum[:])+`"`))
	if err := os.WriteFile(filepath.Join(dir, "model.onnx"), data, 0o644); err != nil {
		return err
	}
	return os.WriteFile(cardPath, card, 0o644)
}
