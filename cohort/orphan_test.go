package cohort

import (
	"testing"
	"time"

	"bcc/blob"
)

func TestAMarkWithoutAManifestGoesAfterAnHourOfOurs(t *testing.T) {
	t.Parallel()
	store, err := blob.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := &Ledger{cfg: Config{Store: store}, shelf: shelf{store: store}, orphans: map[string]time.Time{}}
	id, now := NewID(), time.Now()
	if err := l.mark(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		there bool
	}{{0, true}, {59 * time.Minute, true}, {61 * time.Minute, false}} {
		if err := l.orphan(t.Context(), id, now.Add(c.after)); err != nil {
			t.Fatal(err)
		}
		if is, err := l.shelf.has(t.Context(), openKey(id)); is != c.there || err != nil {
			t.Errorf("after %v: the mark is there: %v, %v", c.after, is, err)
		}
	}
}
