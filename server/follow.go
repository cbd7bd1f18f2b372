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

func (f *followers) watch(id, request string, who auth.Principal) {
	if f.s.audit == nil && f.s.cfg.Limiter == nil {
		return
	}
	f.wg.Go(func() {
		happens, err := f.s.cfg.Ledger.Follow(f.ctx, id)
		if err != nil {
			f.s.log.Error("follow a cohort", "cohort", id, "error", err)
			return
		}
		ends := map[int]bool{}
		for e := range happens {
			switch {
			case e.Kind == cohort.EventSlide && e.Slide != nil:
				f.ended(*e.Slide, ends, request, who)
			case e.Kind == cohort.EventSnapshot && e.Summary != nil:
				f.catchUp(f.ctx, id, ends, request, who)
			}
		}
		if f.ctx.Err() != nil { // what has been answered stands in the audit log too
			ctx, stop := context.WithTimeout(context.WithoutCancel(f.ctx), lastLook)
			defer stop()
			f.catchUp(ctx, id, ends, request, who)
		}
	})
}

const lastLook = 2 * time.Second

func (f *followers) catchUp(ctx context.Context, id string, ends map[int]bool, request string, who auth.Principal) {
	for at := 0; ; {
		page, err := f.s.cfg.Ledger.Slides(ctx, id, at, defaultPage)
		if err != nil || len(page) == 0 {
			return
		}
		for _, st := range page {
			if st.State.Final() {
				f.ended(st, ends, request, who)
			}
		}
		at += len(page)
	}
}

func (f *followers) ended(st cohort.Status, ends map[int]bool, request string, who auth.Principal) {
	e := st.End
	if ends[st.Index] || e == nil {
		return
	}
	ends[st.Index] = true
	d := decision{request: request, key: who.ID, lane: "queue", slide: st.ID, digest: e.SHA256, model: f.s.cfg.Model.SHA256}
	switch e.State {
	case cohort.Done:
		d.prediction, d.score, d.confidence, d.degraded, d.cached = e.Prediction, e.Score, e.Confidence, e.Degraded, e.Cached
		if l := f.s.cfg.Limiter; l != nil && !e.Cached {
			l.Spend(who, e.Patches)
		}
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
