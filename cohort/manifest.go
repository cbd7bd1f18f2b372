package cohort

import (
	"time"

	"bcc/queue"
)

// Manifest is a cohort as it was submitted: cohorts/<ID>/manifest.json in the
// store, written once. Together with the ends it is the truth; the queue is a hint.
type Manifest struct {
	FormatVersion int        `json:"format_version"`
	ID            string     `json:"id"`
	Owner         string     `json:"owner"` // the key's or token's identity; empty: anybody on this machine
	Name          string     `json:"name,omitempty"`
	Priority      queue.Lane `json:"priority"`
	Deadline      *time.Time `json:"deadline,omitempty"`
	CapUSD        *float64   `json:"cap_usd,omitempty"`  // what it may cost; another may come later (cap.go)
	Submitted     time.Time  `json:"submitted"`          // by the clock of the server that took it
	Row           int        `json:"row,omitempty"`      // of the queue: cohorts in different rows take turns
	RetryOf       string     `json:"retry_of,omitempty"` // the cohort whose slides are tried once more
	Model         string     `json:"model,omitempty"`    // SHA-256 of the bundle that looks at it; empty: any
	PatchUM       float64    `json:"patch_um,omitempty"` // side of that model's patch; 0: not known
	Order         *Order     `json:"order,omitempty"`    // under which it may be submitted again
	Trace         string     `json:"trace,omitempty"`    // telemetry.Traceparent of the submission; of its processing only, no part of what is asked
	Slides        []Slide    `json:"slides"`
}

// Order makes a submission one that can be repeated: whoever did not hear the answer
// submits it again, also to another server, and gets the cohort that there is.
type Order struct {
	Key  string `json:"key"`  // SHA-256 of owner and key: nobody gets another's cohort
	Body string `json:"body"` // SHA-256 of what was asked for
}

// Slide is one slide of a manifest. Its identity is SlideID(manifest ID, index).
type Slide struct {
	Name string `json:"name"` // for the person who submitted it; never logged
	// Exactly one of both says where it lies.
	SHA256 string `json:"sha256,omitempty"` // in the store, as slides/<SHA256>
	URL    string `json:"url,omitempty"`    // https://, s3://, file://: fetched by the worker

	Bytes      int64      `json:"bytes,omitempty"` // where known
	Label      *int       `json:"label,omitempty"` // 1 BCC, 0 not; for the curves of a cohort, never used to decide
	Parameters Parameters `json:"parameters"`
}

// Parameters are what a client may set for a slide. Nil: the server's.
type Parameters struct {
	Threshold *float64 `json:"confidence_threshold,omitempty"` // 0 to 1
	Overlap   *float64 `json:"overlap,omitempty"`              // 0 to 0.75
	MinTissue *float64 `json:"min_tissue,omitempty"`           // 0 to 1
	MPPUM     float64  `json:"mpp_um,omitempty"`               // of level 0; 0: as the file says
}

// State is where a slide stands.
type State string

// The states. All but Pending and Running are final.
const (
	Pending     State = "pending"
	Running     State = "running"
	Done        State = "done"
	Failed      State = "failed"      // for a definite reason: damaged, not supported, without a scale
	Quarantined State = "quarantined" // it killed or hung what read it, or used up its attempts
	Cancelled   State = "cancelled"
)

// End is how a slide ended: cohorts/<ID>/ends/<index>.json in the store, created
// once; of two ends the first wins.
type End struct {
	FormatVersion int       `json:"format_version"`
	State         State     `json:"state"`
	SHA256        string    `json:"sha256,omitempty"` // of the slide's content
	Result        string    `json:"result,omitempty"` // where Done: results/<Result>/ in the store holds the files
	Prediction    string    `json:"prediction,omitempty"`
	Score         float64   `json:"score"`
	Confidence    float64   `json:"confidence"`
	Lesions       int       `json:"lesions"`
	Patches       int       `json:"patches"`
	Degraded      []string  `json:"degraded"`
	Cached        bool      `json:"cached"`
	Known         int       `json:"known,omitempty"` // of Patches: their outputs were kept when the slide was begun, and were not inferred again
	Problem       *Problem  `json:"error,omitempty"` // where Failed or Quarantined
	Attempts      int       `json:"attempts"`
	TookS         float64   `json:"took_s"`
	ComputeS      float64   `json:"compute_s"` // its share of the worker's time, which slides walked at once divide
	Ended         time.Time `json:"ended"`
	Worker        string    `json:"worker"`
	Kind          string    `json:"kind,omitempty"` // of the worker, which has a price
	// ComputeBy divides ComputeS among kinds, where workers of others made shards of it.
	ComputeBy map[string]float64 `json:"compute_s_by_kind,omitempty"`

	generation int // which of its ends; stands in the object's name
}

// Looked is how many patches were looked at for it.
func (e *End) Looked() int {
	if e.Cached {
		return 0
	}
	return max(e.Patches-e.Known, 0)
}

// Problem is why a slide failed or was quarantined, or what an attempt at it met.
type Problem struct {
	Kind    string `json:"kind"` // fault.Kind.String()
	Code    int    `json:"code"` // HTTP status of the kind
	Message string `json:"message"`
	Hint    string `json:"details,omitempty"`
}
