package cli_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"bcc/grad"
	"bcc/grad/net"
	"bcc/model"
)

const tilePx = 32

// tilesCommand is the script command "tiles DIR": labelled pictures of noise, of which
// those with BCC are a little redder. Every split holds both, every group one.
func tilesCommand(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	rng := rand.New(rand.NewPCG(1, 2))
	table := "path,label,group,split\n"
	for i := range 48 {
		split, label, red := []string{"train", "val", "test"}[i%3], "normal", 0
		if i/3%2 == 1 {
			label, red = "BCC", 40
		}
		picture := image.NewRGBA(image.Rect(0, 0, tilePx, tilePx))
		for k := range tilePx * tilePx {
			v := func() uint8 { return uint8(100 + rng.IntN(100)) }
			picture.SetRGBA(k%tilePx, k/tilePx, color.RGBA{v() + uint8(red), v(), v(), 255})
		}
		name := fmt.Sprintf("%02d.png", i)
		f, err := os.Create(filepath.Join(dir, name))
		ts.Check(err)
		ts.Check(png.Encode(f, picture))
		ts.Check(f.Close())
		table += fmt.Sprintf("%s,%s,%s-%d,%s\n", name, label, split, i/6, split)
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "labels.csv"), []byte(table), 0o666))
}

// bundleCommand is the script command "bundle DIR NETWORK": a bundle for such tiles. The
// network "red" knows them by their red, and would lose it in bytes: the same range
// holds a value a thousand times as large.
func bundleCommand(ts *testscript.TestScript, _ bool, args []string) {
	card := model.Card{
		Name: strings.ToLower(args[1]), NumClasses: 2, ClassNames: []string{"Non-malignant", "BCC"},
		PatchSizePixels: tilePx, SpacingUMPx: 1, Output: model.Output{Type: model.Logits},
	}
	var g *grad.Graph
	var w grad.Weights
	if args[1] == "red" {
		g = grad.New("red")
		x := g.Input(net.Input, grad.Batch, 3, tilePx, tilePx).GlobalAvgPool()
		x = x.Conv(g.Param("c", grad.Fill(0), 2, 3, 1, 1), grad.Value{}, grad.ConvConfig{}).Relu().Flatten(1)
		g.Output(net.Output, x.Linear(g.Param("w", grad.Fill(0), 2, 2), g.Param("b", grad.Fill(0), 2)))
		w = grad.Weights{Params: []float32{0, 1000, 0, 1, 0, 0 /* w */, 0, 0, 0, 1 /* b */, 0, -0.5}}
	} else {
		n, err := net.Build(args[1], net.Config{PatchPx: tilePx, Seed: 1})
		ts.Check(err)
		g, w = n.Graph, n.Weights
	}
	network, err := g.Deploy(w)
	ts.Check(err)
	b, err := model.New(card, network.Marshal())
	ts.Check(err)
	ts.Check(b.Save(ts.MkAbs(args[0])))
}
