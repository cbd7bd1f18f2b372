package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bcc/detect"
	"bcc/disk"
	"bcc/fault"
	"bcc/model"
	"bcc/models"
	"bcc/tissue"
)

// referenceFlags are the flags of bcc model reference.
type referenceFlags struct {
	detectFlags
	set  string
	file string
}

func newModelReference(std Streams) *cobra.Command {
	var f referenceFlags
	cmd := &cobra.Command{
		Use:   "reference [flags] SLIDE|DIR|MANIFEST…",
		Short: "Take down how slides score and are stained, to measure drift against",
		Long: `Walks slides that are as they should be, ` + fmt.Sprint(model.MinReference) + ` or more, and writes ` + model.ReferenceFile + ` beside
the model's card: how many scored how much, and how their tissue is stained.
bcc serve and bcc worker then tell in their metrics how far the slides of the last
days are from that (bcc_stain_drift, bcc_score_drift). A laboratory measures its own:
that of a model says how the slides were that it was measured on.

No result depends on it.`,
		Example: `  bcc model reference --model DIR --set "our slides of May" may/`,
		Args:    wants("slide, folder or manifest"),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, args, std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	f.register(fs)
	f.registerScale(fs)
	f.isolate.register(fs, false)
	fs.StringVar(&f.set, "set", "", "what slides these are, in words that name nobody")
	fs.StringVar(&f.file, "out", "", "file to write; empty: "+model.ReferenceFile+" in the model's folder")
	return cmd
}

func (f *referenceFlags) run(cmd *cobra.Command, args []string, std Streams) error {
	ctx := cmd.Context()
	if f.set == "" {
		return fault.Hint(fault.New(fault.Invalid, "reference: --set is empty"), `say what slides these are: --set "our slides of May"`)
	}
	if f.file == "" {
		if slices.Contains(models.Names(), f.model) {
			return fault.Hint(fault.New(fault.Invalid, "reference: model %s comes inside the program and cannot be written to", f.model), "copy its folder and name that with --model, or name a file with --out")
		}
		f.file = filepath.Join(f.model, model.ReferenceFile)
	}
	f.jobs, f.minTissue = defaultJobs, defaultMinTissue
	items, missing := detect.Find(ctx, args, "")
	if len(items) == 0 || ctx.Err() != nil {
		return errors.Join(missing, ctx.Err())
	}
	j, err := openJudge(ctx, cmd.Flags(), f.detectFlags, std.Err)
	if err != nil {
		return err
	}
	scores, stains, left := f.look(ctx, j, items, std)
	if err := errors.Join(ctx.Err(), j.engine.Close()); err != nil {
		return err
	}
	r, err := model.NewReference(j.bundle, f.set, scores, stains)
	if err != nil {
		return errors.Join(fmt.Errorf("reference: %w", err), left, missing)
	}
	data, err := r.Encode()
	if err != nil {
		return err
	}
	if err := disk.Write(f.file, data); err != nil {
		return fault.New(fault.Unavailable, "write %s: %w", f.file, err)
	}
	_, err = fmt.Fprintf(std.Out, "%s: %d slides: %s\n", f.file, r.Slides, f.set)
	return errors.Join(unwrittenIf(err), missing, left)
}

// look walks the slides one after the other and returns what each scored and how it is
// stained; left is why slides were left out.
func (f *referenceFlags) look(ctx context.Context, j *judge, items []detect.Item, std Streams) (scores []float64, stains [][3]float64, left error) {
	var stain *tissue.Density
	j.cfg.Stain = func(d tissue.Density) { stain = &d }
	d, err := detect.New(j.cfg, j.engine)
	if err != nil {
		return nil, nil, err
	}
	watch := newProgress(std.Err, len(items))
	defer watch.Close()
	for _, it := range items {
		if ctx.Err() != nil {
			return scores, stains, nil
		}
		stain = nil
		begun := time.Now()
		finding, err := lookAt(ctx, d, it, watch)
		end := detect.End{Name: it.Name, Status: detect.Done, Took: time.Since(begun), Err: err}
		if err == nil {
			end.Patches = finding.Result.Tissue.Patches
		}
		switch {
		case err != nil:
			end.Status = detect.Failed
			left = errors.Join(left, fmt.Errorf("%s: %w", it.Name, err))
		case stain != nil: // of a slide without tissue there is nothing to tell
			scores, stains = append(scores, finding.Result.Score), append(stains, *stain)
		}
		watch.Ended(end)
	}
	return scores, stains, left
}

func lookAt(ctx context.Context, d *detect.Detector, it detect.Item, watch detect.Watcher) (*detect.Finding, error) {
	file, err := os.Open(it.Path)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	return d.Look(ctx, detect.Source{ReaderAt: file, Size: info.Size(), Name: it.Name, MPP: it.MPP}, watch)
}
