package queue

// Lane says which jobs go first.
type Lane string

// The lanes: nothing routine is taken while something urgent waits.
const (
	Routine Lane = "routine"
	Urgent  Lane = "urgent"
)

// Job is one piece of work. The queue does not look into Data.
type Job struct {
	ID   string // unique; letters, digits, - and _: a second job of the same ID soon after the first is dropped
	Lane Lane
	Data []byte
}

// Backlog is how much work is there.
type Backlog struct {
	Urgent  int // waiting
	Routine int // waiting
	Leased  int // taken and not yet handed back
}
