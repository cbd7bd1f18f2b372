package queue

import (
	"context"
	"time"
)

// Lease is a job that is ours until the lease ends without a Beat. Every method but
// Done returns NotFound and does nothing when it has ended; after Done, Again or
// Return the lease must not be used.
type Lease struct {
	Job
	// Attempt counts from 1 how often the job was taken, without those times when it
	// was handed back by Return or Later. After a crash of the server within a tenth of a second
	// of a Take that Take may not be counted.
	Attempt int
	// Put is when the job was put, by the server's clock; zero where the queue does not say.
	Put time.Time

	holder Holder
}

// Holder is a queue's side of a lease: what the methods of Lease do.
type Holder interface {
	Beat(ctx context.Context) error
	Done(ctx context.Context) error
	Again(ctx context.Context, after time.Duration) error
	Return(ctx context.Context, after time.Duration) error
}

// NewLease makes a lease of a job: for queues, ours and those of tests.
func NewLease(job Job, attempt int, h Holder) *Lease {
	return &Lease{Job: job, Attempt: attempt, holder: h}
}

// Beat keeps the job for another Config.Lease. NotFound: the lease has ended, another
// may have the job. Unavailable: the server did not answer; the lease goes on as it
// was, try again.
func (l *Lease) Beat(ctx context.Context) error { return l.holder.Beat(ctx) }

// Done takes the job off the queue, whoever has it: its work is over. NotFound: the
// job is off the queue, but the lease had ended and another may have begun it.
// Unavailable: it may be off or not; call Done again.
func (l *Lease) Done(ctx context.Context) error { return l.holder.Done(ctx) }

// Again hands the job back to be tried again after a while; this attempt counts.
func (l *Lease) Again(ctx context.Context, after time.Duration) error {
	return l.holder.Again(ctx, after)
}

// Return hands the job back to whoever asks first; this attempt does not count. It
// comes before all that were never taken.
func (l *Lease) Return(ctx context.Context) error { return l.holder.Return(ctx, 0) }

// Later is Return for a job that nobody shall be given for a while: whoever took it is
// not the one for it, and others who are not shall not do the same at once.
func (l *Lease) Later(ctx context.Context, after time.Duration) error {
	return l.holder.Return(ctx, after)
}
