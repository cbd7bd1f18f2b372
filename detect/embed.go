package detect

import (
	"context"
	"fmt"

	"bcc/bag"
	"bcc/fault"
	"bcc/wsi"
)

// Embedder walks slides as a Detector does and keeps what the model gave: one bag a
// slide. It is safe for concurrent use.
type Embedder struct {
	walker
	encoder string
}

// NewEmbedder returns an embedder whose patches are embedded by scorer, with
// Walk.Outputs numbers each. encoder is the digest of what makes the embeddings,
// SHA-256 in hex: model.Bundle.EncoderDigest.
func NewEmbedder(cfg Walk, encoder string, scorer Scorer) (*Embedder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "embedder: %w", err)
	}
	return &Embedder{walker{cfg, scorer}, encoder}, nil
}

// List walks the slides, jobs of them at a time, and writes the bag of each to
// bag.Path(out, its name). A slide whose bag is there already, whole, for the same
// content, encoder and parameters, is skipped: unlike results, a bag stays good when
// the program's version changes, for a large set takes days to embed. For the rest
// see Detector.List.
func (e *Embedder) List(ctx context.Context, items []Item, out string, jobs int, watch Watcher) []End {
	return e.cfg.list(ctx, items, jobs, watch, func(ctx context.Context, src Source, end *End, watch Watcher) error {
		end.Bag = bag.Path(out, src.Name)
		n, err := e.there(src, end.Bag)
		if err != nil {
			return err
		}
		if n >= 0 {
			end.Status, end.Patches = Skipped, n
			return nil
		}
		end.Patches, err = e.Embed(ctx, src, end.Bag, watch)
		return err
	})
}

// there returns the number of embeddings in the bag at path, where it is whole and
// of this slide, else -1. The slide is read only where there is a bag.
func (e *Embedder) there(src Source, path string) (int, error) {
	old, err := bag.OpenFile(path)
	if err != nil {
		return -1, nil // to be made, or made anew
	}
	defer old.Close()
	if old.Encoder != e.encoder || old.Dims != e.cfg.Outputs || old.Parameters != e.parameters(src) || old.Verify() != nil {
		return -1, nil
	}
	digest, err := src.SHA256()
	if err != nil {
		return -1, err
	}
	if old.Slide != digest {
		return -1, nil
	}
	return old.Len(), nil
}

// Embed walks the slide and writes its bag to path. It returns the number of
// patches; a slide without tissue has a bag of none.
func (e *Embedder) Embed(ctx context.Context, src Source, path string, watch Watcher) (patches int, err error) {
	v, err := e.walk(ctx, src, watch)
	if err != nil {
		return 0, err
	}
	defer v.slide.Close()

	places := make([]wsi.Rect, v.grid.Len())
	for i := range places {
		places[i] = v.grid.Rect(i)
	}
	digest, err := src.SHA256()
	if err != nil {
		return 0, err
	}
	info := bag.Info{
		Slide: digest, Encoder: e.encoder, Dims: e.cfg.Outputs,
		Size: v.grid.Slide, MPP: v.mpp, Parameters: e.parameters(src),
	}
	if err := bag.Write(path, info, places, v.rows); err != nil {
		return 0, fmt.Errorf("keep the embeddings: %w", err)
	}
	return len(places), nil
}

// parameters is what a person can set that changes the embeddings.
func (e *Embedder) parameters(src Source) bag.Parameters {
	return bag.Parameters{
		Overlap: e.cfg.Patch.Overlap, MinTissue: e.cfg.Patch.MinTissue,
		MPPOverrideUM: e.cfg.overrideUM(src.MPP),
	}
}
