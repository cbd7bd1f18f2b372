package client

import "time"

// Cohort is a cohort, with a page of its slides or without.
type Cohort struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Priority  string     `json:"priority"` // routine or urgent
	Submitted time.Time  `json:"submitted"`
	Deadline  *time.Time `json:"deadline"`
	CapUSD    *float64   `json:"cap_usd"`            // what it may cost; nil: whatever it does
	Held      bool       `json:"held"`               // the cap is reached: what waits is not begun
	RetryOf   string     `json:"retry_of,omitempty"` // the cohort whose slides are tried again
	State     string     `json:"state"`              // pending, running, done (no slide is left), cancelled
	Counts    Counts     `json:"counts"`
	Patches   struct {
		Done    int `json:"done"`
		Planned int `json:"planned"`
	} `json:"patches"`
	Forecast *Forecast `json:"forecast"` // nil: over, or nothing is measured yet
	Cost     Cost      `json:"cost"`
	Degraded []string  `json:"degraded"`
	Slides   []Slide   `json:"slides,omitempty"`
	Next     *int      `json:"next,omitempty"` // offset of the next page; nil: there is none
}

// Over reports whether every slide has come to its end.
func (c Cohort) Over() bool { return c.Counts.Pending+c.Counts.Running == 0 }

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

// Forecast is when a cohort may end; nine in ten end between LowS and HighS.
type Forecast struct {
	Finish     time.Time `json:"finish"`
	RemainingS float64   `json:"remaining_s"`
	LowS       float64   `json:"low_s"`
	HighS      float64   `json:"high_s"`
	Cost       Cost      `json:"cost"` // of the whole
	// Nine in ten cost between both, in all; nil: no price is known.
	CostLowUSD  *float64 `json:"cost_low_usd"`
	CostHighUSD *float64 `json:"cost_high_usd"`
}

// Cost is what a cohort takes of machines.
type Cost struct {
	Patches  int      `json:"patches"`
	ComputeS float64  `json:"compute_s"`
	USD      *float64 `json:"usd"` // nil: no price is known
	// InHandUSD is the part of USD of slides that are being walked, partly estimated.
	InHandUSD float64 `json:"in_hand_usd,omitempty"`
}

// Slide is where a slide of a cohort stands.
type Slide struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`  // as it was submitted; for whoever did so
	State       string     `json:"state"` // pending, running, done, failed, quarantined, cancelled
	SHA256      *string    `json:"sha256"`
	Bytes       *int64     `json:"bytes"`
	Label       *int       `json:"label"`
	Patches     int        `json:"patches"`
	PatchesDone int        `json:"patches_done"`
	Prediction  *string    `json:"prediction"` // this and what follows: nil until it is done
	Score       *float64   `json:"score"`
	Confidence  *float64   `json:"confidence"`
	Lesions     *int       `json:"lesions"`
	Degraded    []string   `json:"degraded"`
	Cached      bool       `json:"cached"`
	Error       *Problem   `json:"error"` // of a failed or quarantined one
	Ended       *time.Time `json:"ended"`
	TookS       *float64   `json:"took_s"`
}

// Final reports whether nothing comes after the slide's state.
func (s Slide) Final() bool { return s.State != "pending" && s.State != "running" && s.State != "" }

// Problem is why a slide did not come to a result.
type Problem struct {
	Code    int    `json:"code"` // HTTP status of its kind
	Message string `json:"message"`
	Details string `json:"details"`
}

// Order is a cohort to be.
type Order struct {
	Name       string       `json:"name,omitempty"`
	Priority   string       `json:"priority,omitempty"` // routine (default) or urgent
	Deadline   *time.Time   `json:"deadline,omitempty"`
	CapUSD     *float64     `json:"cap_usd,omitempty"`    // what it may cost
	Parameters *Parameters  `json:"parameters,omitempty"` // where a slide says nothing else
	Slides     []OrderSlide `json:"slides"`
}

// OrderSlide is one slide of an order: either URL or Upload says where it lies.
type OrderSlide struct {
	URL    string  `json:"url,omitempty"`
	Upload string  `json:"upload,omitempty"` // SHA-256, as Upload answers
	Name   string  `json:"name,omitempty"`
	MPPUM  float64 `json:"mpp_um,omitempty"` // micrometres a level-0 pixel; 0: as the file says
}

// Parameters are what may be set for the slides of an order. Nil or 0: the server's.
type Parameters struct {
	Threshold *float64 `json:"confidence_threshold,omitempty"`
	Overlap   *float64 `json:"overlap,omitempty"`
	MinTissue *float64 `json:"min_tissue,omitempty"`
	MPPUM     float64  `json:"mpp_um,omitempty"`
}

// Machine is what the server says of its workers and their work.
type Machine struct {
	Version     string  `json:"version"`
	PatchesPerS float64 `json:"patches_per_s"` // of all workers
	Workers     struct {
		Present int `json:"present"`
		Wanted  int `json:"wanted"`
	} `json:"workers"`
	Degraded []string `json:"degraded"`
}

// Fleet is what is to be done by when, and who is there.
type Fleet struct {
	Timestamp    time.Time     `json:"timestamp"` // by the server's clock
	Demands      []Demand      `json:"demands"`   // urgent ones first, then by deadline, what has none last
	Workers      []FleetWorker `json:"workers"`
	ShardPatches int           `json:"shard_patches"` // that one worker takes of a slide at once; 0: not known
	QueueAgeS    float64       `json:"queue_age_s"`   // since when the oldest slide waits; 0: none does
	PatchesPerS  float64       `json:"patches_per_s"` // of all workers, while there is work; 0: nothing was measured
	Wanted       *Wish         `json:"wanted"`        // what somebody said within the last minutes; nil: nobody did
}

// Demand is work that shares a deadline.
type Demand struct {
	Urgent    bool       `json:"urgent"`
	Deadline  *time.Time `json:"deadline"` // nil: none was given
	Slides    int        `json:"slides"`   // without an end
	Patches   float64    `json:"patches"`  // left, guessed where slides were not looked at yet
	Deviation float64    `json:"patches_deviation"`
	Largest   float64    `json:"largest_patches"` // left of the largest slide
	Since     *time.Time `json:"since"`           // since when the oldest slide waits; nil: all are being walked
	Newest    time.Time  `json:"newest"`          // when the last of it was submitted
}

// FleetWorker is a worker as far as it matters for how many there should be.
type FleetWorker struct {
	ID                  string    `json:"id"`
	Kind                string    `json:"kind"` // empty: an older worker
	Host                string    `json:"host"`
	Busy                int       `json:"busy"` // slides and shards that it is at
	Jobs                int       `json:"jobs"` // slides that it walks at once
	Draining            bool      `json:"draining"`
	Started             time.Time `json:"started"`                // by its own clock
	CapacityPatchesPerS float64   `json:"capacity_patches_per_s"` // while it has something to do; 0: not known yet
	CPUPercent          float64   `json:"cpu_percent"`            // of its quota or of the cores that it may use, by everybody
}

// Wish is how many workers there should be by kind, and why.
type Wish struct {
	Wanted map[string]int `json:"wanted"`
	Reason string         `json:"reason"`
	Policy string         `json:"policy"`
	Target string         `json:"target"`
	At     time.Time      `json:"at"` // when that was decided
}
