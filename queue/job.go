package queue

import (
	"regexp"
	"slices"

	"bcc/fault"
)

// Lane says which jobs go first.
type Lane string

// The lanes, in the order in which Take looks: nothing of one is taken while something
// waits in one before it. A Put that has returned is seen by the next Take of the same
// process; elsewhere by those that begin some milliseconds later.
//
// Jobs of the part lanes are hints: they vanish when nobody takes them within PartAge.
const (
	UrgentPart  Lane = "urgent-part"
	Urgent      Lane = "urgent"
	Routine     Lane = "routine"
	RoutinePart Lane = "routine-part"
)

// lanes are all of them, in the order of Take.
var lanes = []Lane{UrgentPart, Urgent, Routine, RoutinePart}

// rows is into how many rows the jobs of the lane are sorted.
func (l Lane) rows() int {
	if l.part() {
		return 1
	}
	return Rows
}

func (l Lane) part() bool { return l == UrgentPart || l == RoutinePart }

// Rows is how many rows the lanes Urgent and Routine have. Takers go round those of a
// lane that have jobs, so that many jobs in one row do not keep a few in another
// waiting.
const Rows = 8

// MaxData is the largest Data of a job and the largest thing to Tell, in bytes.
// The server's own limit is 1 MiB with all that stands around it.
const MaxData = 1<<20 - 4<<10

// Job is one piece of work. The queue does not look into Data.
type Job struct {
	// ID is unique in its lane and row; 1 to 128 letters, digits, - and _. While a job
	// is there, and for two minutes after it was put, another of its ID is dropped.
	ID   string
	Lane Lane
	Row  int    // 0 to Rows-1; the part lanes have but row 0 and take any for it
	Data []byte // at most MaxData bytes
}

// Backlog is how much work is there, without the parts. The sum of the first three is
// exact; on a cluster it lags behind Done a little.
type Backlog struct {
	Urgent  int // never taken yet
	Routine int // never taken yet
	// Leased is how many were taken and are not done. One that was handed back, or
	// whose worker is gone, is counted here until it is done: the server does not tell
	// them apart.
	Leased int
	Parts  int // jobs of the part lanes, taken or not
}

var word = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// Validate returns what is wrong with the job, as Put does.
func (j Job) Validate() error {
	switch {
	case !word.MatchString(j.ID):
		return fault.New(fault.Invalid, "job %.140q: want 1 to 128 letters, digits, - and _ as its name", j.ID)
	case !slices.Contains(lanes, j.Lane):
		return fault.New(fault.Invalid, "job %s: lane %q, want one of %q", j.ID, j.Lane, lanes)
	case j.Row < 0 || j.Row >= Rows:
		return fault.New(fault.Invalid, "job %s: row %d, want 0 to %d", j.ID, j.Row, Rows-1)
	case len(j.Data) > MaxData:
		return fault.New(fault.Invalid, "job %s: %d bytes, want at most %d", j.ID, len(j.Data), MaxData)
	}
	return nil
}
