package cli

import (
	"slices"
	"testing"

	"bcc/client"
)

func TestARowOfTheTableHoldsWhatIsKnown(t *testing.T) {
	t.Parallel()
	what, score, lesions := "BCC", 0.9433, 2
	got := slideRow(client.Slide{ID: "c-0", Name: "=1+1.tif", State: "done", Prediction: &what, Score: &score, Lesions: &lesions, Patches: 190, Degraded: []string{"a", "b"}})
	want := []string{"c-0", "'=1+1.tif", "done", "BCC", "0.9433", "", "2", "190", "", "", "", "a; b", ""}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(got) != len(slideColumns) {
		t.Errorf("%d cells for %d columns", len(got), len(slideColumns))
	}
	got = slideRow(client.Slide{ID: "c-1", State: "failed", Error: &client.Problem{Message: "a TIFF of 17 channels"}})
	if got[12] != "a TIFF of 17 channels" || got[4] != "" {
		t.Errorf("a failed one: %q", got)
	}
}
