package model

import (
	"fmt"

	"bcc/fault"
	"bcc/onnx"
)

// EmbeddingOutput is what networks call the output that is a patch's embedding.
const EmbeddingOutput = "embedding"

// Embedding returns the name of the output of model.onnx that is a patch's
// embedding, and its width, 0 where the file leaves it open. It is the one that the
// card names; else the one called EmbeddingOutput; else, of an encoder and of a
// slide head's encoder, the only output. A classifier without any is Unsupported.
func (b *Bundle) Embedding() (name string, width int, err error) {
	m, err := onnx.Unmarshal(b.ONNX)
	if err != nil {
		return "", 0, err
	}
	v, err := b.Card.embedding(m.Graph)
	if err != nil {
		return "", 0, fmt.Errorf("model %s: %w", b.Card.Name, err)
	}
	return v.Name, max(int(rowWidth(v)), 0), nil
}

// EncoderDigest is the SHA-256, in hex, of all that an embedding depends on but the
// slide: the network, the output read, and how a patch becomes its input. Unlike
// Digest it stays when a card gets a new operating point, so that embeddings on
// disk stay good; the bundle of a slide head has that of the encoder it was trained
// on.
func (b *Bundle) EncoderDigest() (string, error) {
	name, _, err := b.Embedding()
	if err != nil {
		return "", err
	}
	return b.outputDigest(name), nil
}

// RowsDigest is the SHA-256, in hex, of all that the network's outputs for a patch
// depend on but the slide: EncoderDigest where slides are judged by embeddings, the
// same of the output that says how likely BCC is where they are judged by patches.
func (b *Bundle) RowsDigest() (string, error) {
	if b.Card.Kind == PatchClassifier {
		return b.outputDigest(b.Card.Output.Name), nil
	}
	return b.EncoderDigest()
}

// outputDigest is the digest of an output of the network and of how a patch becomes
// its input.
func (b *Bundle) outputDigest(name string) string {
	c := &b.Card
	mean, std := c.Normalization()
	return sum(fmt.Appendf(nil, "network %s\noutput %q\ninput %d px of %v um, %s\nmean %v\nstd %v\n",
		sum(b.ONNX), name, c.InputPx(), c.InputMPP(), c.Input.Layout, mean, std))
}

// embedding returns the output of model.onnx that is a patch's embedding.
func (c *Card) embedding(g *onnx.Graph) (*onnx.ValueInfo, error) {
	name := c.Embedding
	if name == "" && c.Kind == Encoder {
		name = c.Output.Name
	}
	want := name
	if want == "" {
		want = EmbeddingOutput
	}
	for _, v := range g.Outputs {
		if v.Name == want {
			return v, nil
		}
	}
	switch {
	case name != "":
		return nil, fault.New(fault.Invalid, "card: embedding: the network has no output %.40q", name)
	case c.Kind != PatchClassifier && len(g.Outputs) == 1:
		return g.Outputs[0], nil
	}
	return nil, fault.Hint(fault.New(fault.Unsupported, "the network has no output called %s", EmbeddingOutput),
		`name the output that is a patch's embedding in %s: "embedding": "..."`, CardFile)
}

// rowWidth returns the numbers a patch of an output (batch, n, 1, 1) or (batch, n);
// -1 where the file does not say.
func rowWidth(v *onnx.ValueInfo) int64 {
	if len(v.Shape) < 2 {
		return -1
	}
	width := int64(1)
	for _, d := range v.Shape[1:] {
		if !d.Known() || d.Value < 1 || d.Value > maxClasses || width*d.Value > maxClasses {
			return -1
		}
		width *= d.Value
	}
	return width
}
