package worker

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"bcc/blob"
	"bcc/fault"
	"bcc/report"
)

// maxResultBytes bounds a result.json that is read back; 100,000 lesions take 10 MB.
const maxResultBytes = 64 << 20

func resultPrefix(key string) string { return "results/" + key }

// kept returns the result that lies in the store under the key, where all of its
// files fit their checksums. A set that does not is taken away.
func (w *Worker) kept(ctx context.Context, key string) (report.Result, bool) {
	err := blob.CheckSet(ctx, w.store, resultPrefix(key))
	var r report.Result
	if err == nil {
		var b []byte
		if b, err = blob.Read(ctx, w.store, resultPrefix(key)+"/"+report.ResultFile, maxResultBytes); err == nil {
			if err = json.Unmarshal(b, &r); err != nil {
				err = fault.New(fault.Corrupt, "%w", err)
			}
		}
	}
	answer := "hit"
	switch {
	case err == nil:
	case ctx.Err() == nil && fault.Of(err) == fault.Corrupt:
		answer = "poisoned"
		w.log.Error("a result that does not fit its checksum is dropped", "result", key, "error", err)
		if err := blob.DropSet(ctx, w.store, resultPrefix(key)); err != nil {
			w.log.Warn("drop a result", "result", key, "error", err)
		}
	default: // not there, or cannot be reached: it is made
		answer = "miss"
	}
	w.metrics.cache.WithLabelValues(durable, answer).Inc()
	return r, err == nil
}

// compute walks the slide and keeps its result in the store.
func (w *Worker) compute(ctx context.Context, p plan, src *source, job *walk) (report.Result, error) {
	dir, err := os.MkdirTemp(w.scratch, "result-*")
	if err != nil {
		return report.Result{}, scratchError(err)
	}
	defer os.RemoveAll(dir)
	var r report.Result
	if p.whole {
		r, err = p.examiner.Detect(ctx, src.Source, dir, watcher{w, job.task})
	} else {
		r, err = w.conduct(ctx, p, src, job, dir)
	}
	if err != nil {
		return r, ofMachine(err)
	}
	if err := ctx.Err(); err != nil {
		return r, context.Cause(ctx)
	}
	var took report.Timing
	if b, err := os.ReadFile(filepath.Join(dir, report.TimingFile)); err == nil && json.Unmarshal(b, &took) == nil {
		w.metrics.stepped(took)
	}
	// On another machine the same may have been done meanwhile. Writing over it would
	// leave files and checksums of two runs for a moment.
	if blob.CheckSet(ctx, w.store, resultPrefix(p.key)) == nil {
		return r, nil
	}
	return r, ofStore(blob.WriteSet(ctx, w.store, resultPrefix(p.key), dir))
}
