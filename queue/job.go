package queue

import (
	"regexp"

	"bcc/fault"
)

// Lane says which jobs go first.
type Lane string

// The lanes: nothing routine is taken while something urgent waits. (A job is seen by
// takers a millisecond or so after Put has returned.)
const (
	Routine Lane = "routine"
	Urgent  Lane = "urgent"
)

// MaxData is the largest Data of a job and the largest thing to Tell, in bytes.
// The server's own limit is 1 MiB with all that stands around it.
const MaxData = 1<<20 - 4<<10

// Job is one piece of work. The queue does not look into Data.
type Job struct {
	// ID is unique in its lane; 1 to 128 letters, digits, - and _. While a job is
	// there, and for two minutes after it was put, another of its ID is dropped.
	ID   string
	Lane Lane
	Data []byte // at most MaxData bytes
}

// Backlog is how much work is there. The sum of the three is exact; on a cluster it
// lags behind Done a little.
type Backlog struct {
	Urgent  int // never taken yet
	Routine int // never taken yet
	// Leased is how many were taken and are not done. One that was handed back, or
	// whose worker is gone, is counted here until it is done: the server does not tell
	// them apart.
	Leased int
}

var word = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func (j Job) validate() error {
	switch {
	case !word.MatchString(j.ID):
		return fault.New(fault.Invalid, "job %.140q: want 1 to 128 letters, digits, - and _ as its name", j.ID)
	case j.Lane != Routine && j.Lane != Urgent:
		return fault.New(fault.Invalid, "job %s: lane %q, want routine or urgent", j.ID, j.Lane)
	case len(j.Data) > MaxData:
		return fault.New(fault.Invalid, "job %s: %d bytes, want at most %d", j.ID, len(j.Data), MaxData)
	}
	return nil
}
