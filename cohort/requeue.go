package cohort

import (
	"context"
	"time"

	"bcc/queue"
)

// jobsAtOnce is how many jobs are made in memory before they are put.
const jobsAtOnce = 4096

// putJobs puts a job on the queue for each slide without an end.
func (l *Ledger) putJobs(ctx context.Context, b *book) error {
	for from := 0; from < len(b.lines); from += jobsAtOnce {
		if err := l.putSome(ctx, b, from, min(from+jobsAtOnce, len(b.lines))); err != nil {
			return err
		}
	}
	return nil
}

// putSome puts those of the slides from one index up to another.
func (l *Ledger) putSome(ctx context.Context, b *book, from, to int) error {
	which := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		which = append(which, i)
	}
	return l.putThese(ctx, b, which)
}

// putThese puts the jobs of those slides that have no end.
func (l *Ledger) putThese(ctx context.Context, b *book, which []int) error {
	l.mu.Lock()
	jobs := make([]queue.Job, 0, len(which))
	for _, i := range which {
		if line := b.lines[i]; !line.state.Final() && !line.foreign {
			jobs = append(jobs, b.job(i))
		}
	}
	l.mu.Unlock()
	if len(jobs) == 0 {
		return nil
	}
	return l.cfg.Queue.Put(ctx, jobs...)
}

// requeue puts jobs on the queue again where it holds fewer than there are slides
// without an end: it was lost, or a submission broke off. A job too many does no
// harm, see Desk.Begin. It returns how many were missing. Unless all are asked for,
// cohorts that another server may be putting jobs for are left alone for a while.
func (l *Ledger) requeue(ctx context.Context, all bool) (lacking int, err error) {
	now := time.Now()
	l.mu.Lock()
	var books []*book
	slides := 0
	for _, b := range l.open {
		if !b.submitting && !b.over() && !b.held() && (all || !now.Before(b.patience)) {
			books = append(books, b)
			slides += b.counts.Pending + b.counts.Running - b.foreign
		}
	}
	l.mu.Unlock()
	if slides == 0 {
		return 0, nil
	}
	has, err := l.cfg.Queue.Backlog(ctx)
	if err != nil {
		return 0, err
	}
	jobs := has.Urgent + has.Routine + has.Leased // parts are no slides
	if jobs >= slides {
		return 0, nil
	}
	l.log.Warn("jobs are missing on the queue and put there again", "slides", slides, "jobs", jobs)
	for _, b := range books {
		if err := l.putJobs(ctx, b); err != nil {
			return 0, err
		}
	}
	return slides - jobs, nil
}
