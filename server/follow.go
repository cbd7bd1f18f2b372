package server

import (
	"context"
	"sync"
	"time"

	"bcc/auth"
	"bcc/cohort"
)

// followers follow the cohorts that this server took in, to write each decision
// into the audit log and to count its patches for whoever asked.
type followers struct {
	s    *Server
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup
}

func newFollowers(s *Server) *followers {
	f := &followers{s: s}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f
}

func (f *followers) close() {
	f.stop()
	f.wg.Wait()
}

// watch follows a cohort that was taken in just now.
func (f *followers) watch(id, request string, who auth.Principal) {
	if f.s.audit == nil && f.s.cfg.Limiter == nil {
		return
	}
	f.wg.Go(func() { f.follow(id, map[int]bool{}, request, who) })
}

// resume follows what an earlier server of this ledger took in and did not see end.
// What had ended by now it wrote down itself.
func (f *followers) resume(ctx context.Context) error {
	if !f.s.cfg.Alone || f.s.audit == nil && f.s.cfg.Limiter == nil {
		return nil
	}
	all, err := f.s.cfg.Ledger.Summaries(ctx, "", true)
	if err != nil {
		return err
	}
	for _, sum := range all {
		if sum.Counts.Pending+sum.Counts.Running == 0 {
			continue
		}
		ended := map[int]bool{}
		if err := f.ends(ctx, sum.ID, func(st cohort.Status) { ended[st.Index] = true }); err != nil {
			return err
		}
		f.wg.Go(func() { f.follow(sum.ID, ended, "", auth.Principal{ID: sum.Owner}) })
	}
	return nil
}

// follow writes down each end once; those in known were before.
func (f *followers) follow(id string, known map[int]bool, request string, who auth.Principal) {
	note := func(st cohort.Status) {
		if !known[st.Index] && st.End != nil {
			known[st.Index] = true
			f.ended(st, request, who)
		}
	}
	happens, err := f.s.cfg.Ledger.Follow(f.ctx, id)
	if err != nil {
		f.s.log.Error("follow a cohort", "cohort", id, "error", err)
		return
	}
	for e := range happens {
		switch {
		case e.Kind == cohort.EventSlide && e.Slide != nil:
			note(*e.Slide)
		case e.Kind == cohort.EventSnapshot:
			err = f.ends(f.ctx, id, note)
		}
	}
	if f.ctx.Err() != nil { // what has been answered stands in the audit log too
		ctx, stop := context.WithTimeout(context.WithoutCancel(f.ctx), lastLook)
		defer stop()
		err = f.ends(ctx, id, note)
	}
	if err != nil {
		f.s.log.Error("look for the ends of a cohort", "cohort", id, "error", err)
	}
}

const lastLook = 2 * time.Second

// ends calls note for each slide that has come to its end.
func (f *followers) ends(ctx context.Context, id string, note func(cohort.Status)) error {
	for at := 0; ; {
		page, err := f.s.cfg.Ledger.Slides(ctx, id, at, defaultPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, st := range page {
			if st.State.Final() {
				note(st)
			}
		}
		at += len(page)
	}
}

// ended writes down one end.
func (f *followers) ended(st cohort.Status, request string, who auth.Principal) {
	e := st.End
	d := decision{request: request, key: who.ID, lane: "queue", slide: st.ID, digest: e.SHA256, model: f.s.cfg.Model.SHA256}
	switch e.State {
	case cohort.Done:
		d.prediction, d.score, d.confidence, d.degraded, d.cached = e.Prediction, e.Score, e.Confidence, e.Degraded, e.Cached
		if l := f.s.cfg.Limiter; l != nil && e.Looked() > 0 {
			l.Spend(who, e.Looked())
		}
	case cohort.Quarantined:
		d.failed = string(e.State)
	case cohort.Failed:
		d.failed = "internal"
		if e.Problem != nil {
			d.failed = e.Problem.Kind
		}
	default:
		return // cancelled: nothing was decided
	}
	f.s.audit.add(d)
}
