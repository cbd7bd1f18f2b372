package cohort

import (
	"encoding/json"
	"testing"

	"bcc/queue"
)

func TestTheTraceOfASubmissionGoesWithItsJobs(t *testing.T) {
	t.Parallel()
	const at = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for n, want := range map[int]Task{tracedTogether: {Trace: at}, tracedTogether + 1: {TraceLink: at}} {
		m := &Manifest{ID: NewID(), Priority: queue.Routine, Trace: at, Slides: make([]Slide, n)}
		var got jobData
		if err := json.Unmarshal(newJob(m, n-1, 0).Data, &got); err != nil {
			t.Fatal(err)
		}
		if got.Trace != want.Trace || got.TraceLink != want.TraceLink {
			t.Errorf("of %d slides: trace %q, link %q", n, got.Trace, got.TraceLink)
		}
	}
}
