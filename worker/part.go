package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"bcc/blob"
	"bcc/cohort"
	"bcc/detect"
	"bcc/fault"
	"bcc/queue"
	"bcc/telemetry"
	"bcc/wsi"
)

// partVersion is the version of part jobs that this program writes and reads.
const partVersion = 1

// partJob is a shard that a conductor offers: all that somebody who has the model
// needs to make its rows. It is a hint: when it is lost, or nobody can do it, the
// conductor makes the shard itself.
type partJob struct {
	FormatVersion int         `json:"format_version"`
	Task          cohort.Task `json:"task"` // whose slide it is, to ask whether it is wanted yet
	SHA256        string      `json:"sha256"`
	Key           string      `json:"key"`       // where the rows belong
	RemainsS      float64     `json:"remains_s"` // what its conductor needs for it yet; 0: nobody is at it
	Level0        wsi.Size    `json:"level0"`
	MPP           wsi.MPP     `json:"mpp"`
	Patch         wsi.Size    `json:"patch"`
	Stride        wsi.Size    `json:"stride"`
	Cols          int         `json:"cols"`
	Rows          int         `json:"rows"`
	Cells         []byte      `json:"cells"` // packCells
}

// partWord is what is said about a shard, to part.<slide>.
type partWord struct {
	Key  string `json:"key"`
	What string `json:"what"`
}

const (
	partBegun = "begun" // somebody else makes it
	partDone  = "done"  // its rows are in the store
)

func partTopic(t cohort.Task) string { return "part." + t.SlideID }

// tellPart says something about a shard; the word may be lost.
func (w *Worker) tellPart(t cohort.Task, what, key string) {
	data, err := json.Marshal(partWord{key, what})
	if err == nil {
		err = w.queue.Tell(partTopic(t), data)
	}
	if err != nil {
		w.log.Debug("tell of a shard", "slide_id", t.SlideID, "error", err)
	}
}

// partJob returns the job of a shard, which takes so long yet where it is made here.
// The caller holds mu.
func (c *conductor) partJob(i int, remains time.Duration) queue.Job {
	t := c.job.task
	t.Slide.Name = "" // whoever helps has no need of it
	t.Trace, t.TraceLink = c.job.trace, ""
	sh := c.shards[i]
	g := detect.Part(c.survey.Grid(), sh.From, sh.To)
	data, err := json.Marshal(partJob{
		FormatVersion: partVersion, Task: t, SHA256: c.src.sha256, Key: sh.key, RemainsS: remains.Seconds(),
		Level0: g.Slide, MPP: g.MPP, Patch: g.Patch, Stride: g.Stride, Cols: g.Cols, Rows: g.Rows, Cells: packCells(g),
	})
	if err != nil {
		panic(err) // nothing in it can fail to be encoded
	}
	lane := queue.RoutinePart
	if c.urgent() {
		lane = queue.UrgentPart
	}
	// Another offer has another name: the queue drops a name that it knows.
	digest := sh.key[len(rowsPrefix):]
	id := fmt.Sprintf("%s-%.16s-%s-%d", t.SlideID, digest, c.job.id, sh.offers)
	return queue.Job{ID: id, Lane: lane, Data: data}
}

var errForeign = fault.New(fault.Unsupported, "a shard for another model, or another version of this program")

func readPart(data []byte) (partJob, *wsi.Grid, error) {
	var p partJob
	if err := json.Unmarshal(data, &p); err != nil {
		return p, nil, fault.New(fault.Corrupt, "read part job: %w", err)
	}
	if p.FormatVersion != partVersion {
		return p, nil, fmt.Errorf("%w: format version %d, this program reads %d", errForeign, p.FormatVersion, partVersion)
	}
	if !cohort.ValidID(p.Task.Cohort) || p.Task.Index < 0 {
		return p, nil, fault.New(fault.Corrupt, "read part job: it names no slide")
	}
	p.Task.SlideID = cohort.SlideID(p.Task.Cohort, p.Task.Index)
	g := &wsi.Grid{Slide: p.Level0, MPP: p.MPP, Patch: p.Patch, Stride: p.Stride, Cols: p.Cols, Rows: p.Rows}
	return p, g, unpackCells(p.Cells, g)
}

// part does a part job and tells the queue how it went. A part that cannot be done
// is dropped after some attempts: its conductor makes it, and meets the error.
func (w *Worker) part(ctx context.Context, l *queue.Lease) {
	after, release := w.afterwards(ctx)
	defer release()
	log := w.log.With("job_id", l.ID, "attempt", l.Attempt)
	end, err := w.doPart(ctx, l, log)
	switch {
	case err == nil:
		w.told(log, l.Done(after))
	case errors.Is(err, errLost):
		end = partLost
	case ctx.Err() != nil:
		end = partReturned
		w.told(log, l.Return(after))
	case (errors.Is(err, errForeign) || errors.Is(err, errSlower)) && l.Attempt < w.cfg.Attempts:
		end = partLeft // somebody else may have its model, or be faster
		w.told(log, l.Again(after, w.cfg.Pause))
	case retries(err) && l.Attempt < w.cfg.Attempts:
		end = partAgain
		log.Warn("a shard of another is tried again", "error", err)
		w.told(log, l.Again(after, pause(w.cfg.Pause, l.Attempt)))
	default:
		end = partDropped
		log.Warn("a shard of another is left to its conductor", "error", err)
		w.told(log, l.Done(after))
	}
	w.metrics.parts.WithLabelValues(end).Inc()
}

// doPart makes the rows of a part job where somebody wants them yet.
func (w *Worker) doPart(ctx context.Context, l *queue.Lease, log *slog.Logger) (end string, err error) {
	p, g, err := readPart(l.Data)
	if err != nil {
		return "", err
	}
	t := p.Task
	if r := p.RemainsS; r > 0 && !w.faster(g.Len(), r) {
		return "", errSlower
	}
	if over, err := w.desk.Over(ctx, t); over || err != nil {
		return partOver, ofStore(err)
	}
	if is, err := blob.Exists(ctx, w.store, p.Key); is || err != nil {
		w.tellPart(t, partDone, p.Key) // the word may have been lost
		return partOver, ofStore(err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	deaf, err := w.queue.Listen(partTopic(t), func(_ string, data []byte) {
		var word partWord
		if json.Unmarshal(data, &word) == nil && word.Key == p.Key && word.What == partDone {
			stop(errMade)
		}
	})
	if err != nil {
		return "", err
	}
	defer deaf()
	err = w.hold(ctx, l, &walk{task: t, stop: stop}, func(ctx context.Context) error {
		return guard(log, func() error {
			return w.step(telemetry.Under(ctx, t.Trace), spanPart, func(ctx context.Context) error { return w.makePart(ctx, p, g) },
				attribute.String("bcc.slide_id", t.SlideID), patchCount(g.Len()))
		})
	})
	if errors.Is(err, errMade) || errors.Is(err, errCancelled) {
		return partOver, nil
	}
	return partScored, err
}

var errSlower = fault.New(fault.Busy, "its conductor is through with it before")

// faster reports whether this worker would be through with so many patches well
// before somebody who needs so many seconds yet.
func (w *Worker) faster(patches int, remainS float64) bool {
	each := w.perPatch()
	if each == 0 { // nothing is known: there is nothing to lose where nothing is scored
		return w.share.walking() == 0
	}
	return each.Seconds()*float64(patches) < 0.8*remainS
}

// perPatch is what a patch of one shard more would take now, beside what is being
// scored; 0 where nothing was measured.
func (w *Worker) perPatch() time.Duration {
	rate := w.pace.rate()
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(w.share.walking()+1) / rate * float64(time.Second))
}

// errMade stops the making of a shard whose rows are in the store.
var errMade = errors.New("another has made the shard")

// makePart scores the shard's patches and keeps the rows.
func (w *Worker) makePart(ctx context.Context, p partJob, g *wsi.Grid) error {
	t := p.Task
	cfg := w.model.Detect
	asked(&cfg, t.Slide.Parameters)
	x, err := w.model.examiner(cfg, t.Priority == queue.Urgent)
	if err != nil {
		return err
	}
	override := scale(t.Slide.Parameters)
	if w.rowsKey(p.SHA256, x.Parameters(override).MPPOverrideUM, g) != p.Key {
		return errForeign
	}
	w.tellPart(t, partBegun, p.Key)
	src, err := w.openStored(ctx, p.SHA256, t.Slide.Parameters)
	if err != nil {
		return err
	}
	defer src.close()
	end, begun := w.share.begin(), time.Now()
	values, err := x.Score(ctx, src.Source, g, w.scored)
	spent := end()
	if err != nil {
		return err
	}
	if _, err := w.keep(ctx, w.made(p.Key, g.Len(), values, time.Since(begun), spent)); err != nil {
		return err
	}
	w.tellPart(t, partDone, p.Key)
	return nil
}

// made is what this worker made of a shard.
func (w *Worker) made(key string, patches int, values []float32, took, spent time.Duration) *shardRows {
	w.metrics.shardTook.Observe(took.Seconds())
	return &shardRows{rowsHeader{
		Key: key, Patches: patches, Outputs: w.model.Detect.Outputs,
		Program: w.model.Detect.Program.Version, Worker: w.cfg.ID, Kind: w.cfg.Kind, Devices: w.model.Devices,
		TookS: took.Seconds(), ComputeS: spent.Seconds(), Made: time.Now().UTC().Truncate(time.Millisecond),
	}, values}
}
