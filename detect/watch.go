package detect

import (
	"time"

	"bcc/report"
)

// Watcher is told how a list of slides goes on. Its methods are called from
// several goroutines.
type Watcher interface {
	Planned(name string, patches int) // the slide's grid is known
	Scored(name string, patches int)  // so many more are through the model
	Ended(End)
}

// Status says how a slide ended.
type Status string

// The ways a slide ends.
const (
	Done    Status = "done"    // its files are written now
	Skipped Status = "skipped" // its files were there for the same slide, model and parameters
	Failed  Status = "failed"
	Stopped Status = "stopped" // the run was ended before it was through
	Waiting Status = "waiting" // the run was ended before it was begun
)

// End is one row of the table that a run ends with.
type End struct {
	Name    string
	Status  Status
	Result  *report.Result // of a Detector, where done or skipped, else nil
	Patches int            // where done or skipped
	Took    time.Duration
	Dir     string // folder of the results of a Detector
	Bag     string // file of an Embedder
	Err     error  // where failed or stopped
}

// silent is the Watcher of those who do not watch.
type silent struct{}

func (silent) Planned(string, int) {}
func (silent) Scored(string, int)  {}
func (silent) Ended(End)           {}
