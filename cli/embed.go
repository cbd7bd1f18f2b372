package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"bcc/detect"
)

func newEmbed(std Streams) *cobra.Command {
	var f walkFlags
	cmd := &cobra.Command{
		Use:   "embed [flags] SLIDE|DIR|MANIFEST…",
		Short: "Keep the embeddings of slides, for training on slides with one label each",
		Long: `Walks every slide named (files, folders, patterns, manifests in .csv or .txt), as
detect does, and writes OUT/<slide name>.bag: the embedding of each patch of
tissue, with its place. The model is any with an output called embedding, or
whose card names one. A slide whose bag is there already, for the same content,
encoder and parameters, is skipped; a bad slide does not stop the others.`,
		Example: `  bcc embed --model encoder --out bags slides/
  bcc embed --model encoder --out bags --shard 1/4 cohort.csv`,
		Args: wants("slide, folder or manifest"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runWalk(cmd, args, f, std, bagTable, func() (walker, *engine, error) { return openEmbedder(cmd.Context(), f, std.Err) })
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.out, "out", "bags", "folder for the bags, one file a slide in it")
	f.register(fs)
	f.registerScale(fs)
	f.registerCut(fs)
	f.registerShard(fs)
	return cmd
}

// openEmbedder opens the model and starts the engine; the caller closes it.
func openEmbedder(ctx context.Context, f walkFlags, notes io.Writer) (*detect.Embedder, *engine, error) {
	b, err := f.bundle()
	if err != nil {
		return nil, nil, err
	}
	reads := f.engineFlags
	if reads.output, _, err = b.Embedding(); err != nil {
		return nil, nil, err
	}
	encoder, err := b.EncoderDigest()
	if err != nil {
		return nil, nil, err
	}
	cfg := detectorConfig(b)
	if err := f.apply(&cfg.Walk); err != nil {
		return nil, nil, err
	}
	cfg.Outputs = 1 // as in openDetector
	if err := cfg.Walk.Validate(); err != nil {
		return nil, nil, err
	}

	e, err := startEngine(ctx, b, reads, notes)
	if err != nil {
		return nil, nil, err
	}
	e.describe(&cfg)
	m, err := detect.NewEmbedder(cfg.Walk, encoder, e)
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return m, e, nil
}
