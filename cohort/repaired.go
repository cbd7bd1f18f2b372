package cohort

import "context"

// Repaired is what Repair found and did.
type Repaired struct {
	Manifests Checked `json:"manifests"` // one a cohort
	Records   Checked `json:"records"`   // ends, cancellings, noted attempts, summaries
	Results   Checked `json:"results"`   // sets of files below results/
	Patches   Checked `json:"patches"`   // outputs of patches below patches/

	Foreign  int `json:"foreign"`  // objects of another version of the program; left as they are
	Reopened int `json:"reopened"` // cohorts that were called over and are not
	Slides   int `json:"slides"`   // whose end was taken away, so that they are looked at again
	Jobs     int `json:"jobs"`     // put on the queue, where they were missing

	// Lost are the cohorts whose manifest is damaged and nowhere else: nobody knows
	// any more which slides were asked for.
	Lost []string `json:"lost"`
}

// Checked counts objects of one kind.
type Checked struct {
	Checked int `json:"checked"`
	Damaged int `json:"damaged"` // of those checked
	Mended  int `json:"mended"`  // of those damaged: taken away or written anew, nothing is missed by it
}

// Repair reads everything that the ledger and workers keep in the store, takes away
// what is damaged, has slides looked at again whose result is gone, and puts jobs
// on the queue that are missing. It may run at any time, beside workers and other
// servers, and again: what was mended once is whole.
//
// What cannot be mended is no error: see Repaired.Lost. An error says that Repair
// did not come to its end.
func (l *Ledger) Repair(ctx context.Context) (Repaired, error) {
	return l.repair(ctx, true)
}

// Check is Repair without mending anything: it only counts.
func (l *Ledger) Check(ctx context.Context) (Repaired, error) {
	return l.repair(ctx, false)
}
