package cli_test

import (
	"github.com/rogpeppe/go-internal/testscript"

	"bcc/grad/net"
	"bcc/model"
)

// headBundle is the script command "headbundle DIR TEMPERATURE": it writes the
// bundle of a slide head with random weights over a small encoder.
func headBundle(ts *testscript.TestScript, _ bool, args []string) {
	const px, seed = 64, 3
	encoder, err := net.Build("mobilenetv3-small", net.Config{PatchPx: px, Seed: seed})
	ts.Check(err)
	network, err := encoder.Model()
	ts.Check(err)
	const width = 1024 // of its embedding
	head, err := net.BuildMIL(net.MILConfig{Features: width, Project: 32, Attend: 16, Seed: seed})
	ts.Check(err)
	onTop, err := head.Model()
	ts.Check(err)
	card := model.Card{
		Name: "head", Kind: model.SlideHead, NumClasses: 2, ClassNames: []string{"Non-malignant", "BCC"},
		PatchSizePixels: px, SpacingUMPx: 1, Output: model.Output{Type: model.Logits},
		OperatingPoint: &model.OperatingPoint{Threshold: 0.1},
	}
	if args[1] != "1" {
		card.Calibration = &model.Calibration{Temperature: 1e-2}
	}
	b, err := model.Make(card, map[string][]byte{model.ModelFile: network.Marshal(), model.HeadFile: onTop.Marshal()})
	ts.Check(err)
	ts.Check(b.Save(ts.MkAbs(args[0])))
}
