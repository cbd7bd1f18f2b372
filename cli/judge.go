package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/pflag"

	"bcc/detect"
	"bcc/fault"
	"bcc/model"
)

// judge is a model that runs and can say what is on a slide: what detect.New wants.
type judge struct {
	bundle *model.Bundle
	cfg    detect.Config
	engine *engine
}

// openJudge opens the model, puts the flags set on the command line into what its
// card asks for, and starts the engine; the caller closes it.
func openJudge(ctx context.Context, set *pflag.FlagSet, f detectFlags, notes io.Writer) (*judge, error) {
	j, err := newJudge(set, f)
	if err != nil {
		return nil, err
	}
	engine := f.engineFlags
	engine.slides = f.jobs
	return j, j.start(ctx, engine, notes)
}

// newJudge is openJudge without an engine: flags that make no sense are told in
// milliseconds.
func newJudge(set *pflag.FlagSet, f detectFlags) (*judge, error) {
	b, err := f.bundle()
	if err != nil {
		return nil, err
	}
	if b.Card.Kind == model.Encoder {
		return nil, fault.Hint(fault.New(fault.Unsupported, "model %s gives embeddings and no answer", b.Card.Name),
			"bcc embed keeps them; a slide head is trained on them")
	}
	cfg := detectorConfig(b)
	if err := f.apply(&cfg.Walk); err != nil {
		return nil, err
	}
	if flag := set.Lookup("threshold"); flag != nil && flag.Changed {
		cfg.Aggregate = cfg.Aggregate.WithThreshold(f.threshold)
	}
	cfg.Outputs = 1 // what the engine finds out; the rest is checked here
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &judge{bundle: b, cfg: cfg}, nil
}

// start starts the engine.
func (j *judge) start(ctx context.Context, f engineFlags, notes io.Writer) (err error) {
	if j.bundle.Card.Kind == model.SlideHead {
		if f.output, _, err = j.bundle.Embedding(); err != nil {
			return err
		}
	}
	if err := f.bound(ctx, j.bundle); err != nil {
		return err
	}
	decoders, err := f.isolate.open(&j.cfg.Walk, f.log, f.registry) // starts beside the engine
	if err != nil {
		return err
	}
	if j.engine, err = startEngine(ctx, j.bundle, f, notes); err != nil {
		return errors.Join(err, decoders.Close())
	}
	j.engine.decoders = decoders
	j.engine.describe(&j.cfg)
	if j.bundle.Card.Kind == model.SlideHead {
		head, err := j.engine.openHead(j.bundle)
		if err != nil {
			return errors.Join(err, j.engine.Close())
		}
		j.cfg.Head = head
	}
	return nil
}
