package cohort

import (
	"time"

	"bcc/queue"
)

// Final reports whether nothing comes after it.
func (s State) Final() bool { return s == Done || s == Failed || s == Quarantined || s == Cancelled }

// Status is where one slide stands.
type Status struct {
	ID      string `json:"id"`
	Index   int    `json:"index"`
	Slide   Slide  `json:"slide"`
	State   State  `json:"state"`
	Planned int    `json:"patches"`      // 0: not known yet, or none
	Scored  int    `json:"patches_done"` // of Planned
	End     *End   `json:"end"`          // nil: pending, running or cancelled
}

// Counts is how many slides stand where: Submitted is the sum of the others.
type Counts struct {
	Submitted   int `json:"submitted"`
	Pending     int `json:"pending"`
	Running     int `json:"running"`
	Done        int `json:"done"`
	Failed      int `json:"failed"`
	Quarantined int `json:"quarantined"`
	Cancelled   int `json:"cancelled"`
}

// Patches is how many patches are known of, and how many of them are through.
type Patches struct {
	Done    int `json:"done"`
	Planned int `json:"planned"`
}

// Cost is what a cohort takes of machines.
type Cost struct {
	Patches  int      `json:"patches"`   // looked at; those whose results or outputs were kept were not
	ComputeS float64  `json:"compute_s"` // seconds of a worker's time
	USD      *float64 `json:"usd"`       // nil: no price is known
	// InHandUSD is the part of USD of slides that are being walked: what was told of it,
	// the rest estimated. Nil: of none.
	InHandUSD *float64 `json:"in_hand_usd,omitempty"`
}

// Forecast is when a cohort may end, by what was measured.
type Forecast struct {
	Finish      time.Time `json:"finish"`
	RemainingS  float64   `json:"remaining_s"`
	LowS        float64   `json:"low_s"`        // nine in ten end between both
	HighS       float64   `json:"high_s"`       // where slides and machines go on as they did
	Cost        Cost      `json:"cost"`         // of the whole, at its end
	CostLowUSD  *float64  `json:"cost_low_usd"` // nine in ten cost between both; nil: no price is known
	CostHighUSD *float64  `json:"cost_high_usd"`
}

// Summary is a cohort without its slides.
type Summary struct {
	ID        string     `json:"id"`
	Owner     string     `json:"-"`
	Name      string     `json:"name"`
	Priority  queue.Lane `json:"priority"`
	Submitted time.Time  `json:"submitted"`
	Deadline  *time.Time `json:"deadline"`
	RetryOf   string     `json:"retry_of,omitempty"`
	CapUSD    *float64   `json:"cap_usd"` // what it may cost; nil: whatever it does
	Held      bool       `json:"held"`    // the cap is reached, or will be by what is begun: nothing more of it is begun
	State     State      `json:"state"`   // Pending, Running, Done (no slide is left), Cancelled
	Counts    Counts     `json:"counts"`
	Patches   Patches    `json:"patches"`
	Forecast  *Forecast  `json:"forecast"` // nil: over, or nothing is measured yet
	Cost      Cost       `json:"cost"`     // up to now
	Degraded  []string   `json:"degraded"` // what any of its results says
}
