package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bcc/client"
)

func TestALongListBecomesSeveralCohorts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var names []string
	seen := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/health" {
			fmt.Fprint(w, `{"status": "healthy"}`)
			return
		}
		var o client.Order
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil || len(o.Slides) > perCohort || r.ContentLength > 32<<20 {
			t.Errorf("%d slides in %d bytes: %v", len(o.Slides), r.ContentLength, err)
		}
		for _, s := range o.Slides {
			seen[s.URL] = true
		}
		names = append(names, fmt.Sprintf("%s, %d slides", o.Name, len(o.Slides)))
		fmt.Fprintf(w, `{"id": "c%d"}`, len(names))
	}))
	defer server.Close()
	var list strings.Builder
	const short, long = 25_000, 6_000
	for i := range short {
		fmt.Fprintf(&list, "s3://b/%d.tif\n", i)
	}
	list.WriteString("s3://b/7.tif\n")
	for i := range long { // addresses with signatures: of them fewer are one request
		fmt.Fprintf(&list, "https://host/%d.tif?%s\n", i, strings.Repeat("s", 3000))
	}
	path := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(path, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, log := typedUntil(t.Context(), "submit", "--server", server.URL, "--name", "trays", path)
	if code != 0 || out != "c1\nc2\nc3\n" {
		t.Errorf("exit code %d, %q: %s", code, out, log)
	}
	holds(t, log, "1 slide is named more than once", "20000 slides are submitted as cohort c1")
	if len(seen) != short+long || len(names) != 3 || names[0] != "trays (1/3), 20000 slides" || !strings.HasPrefix(names[2], "trays (3/3), ") {
		t.Errorf("%d slides in %q", len(seen), names)
	}
}

func TestADeadlineIsATimeOrFromNow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]string{"90m": "2026-01-02T04:34:05Z", "2026-01-31T18:00:00+02:00": "2026-01-31T18:00:00+02:00"} {
		if at, err := deadline(text, now); err != nil || at.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v", text, at, err)
		}
	}
	for _, text := range []string{"-1h", "0s", "2026-01-01T00:00:00Z", "18:00", ""} {
		if at, err := deadline(text, now); err == nil {
			t.Errorf("%q is taken as %v", text, at)
		}
	}
}

func TestTheBarShowsEachSlideThatIsLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		counts client.Counts
		want   string
	}{
		{client.Counts{}, strings.Repeat(" ", 40)},
		{client.Counts{Submitted: 4, Done: 4}, strings.Repeat("=", 40)},
		{client.Counts{Submitted: 4, Done: 1, Failed: 1, Pending: 2}, strings.Repeat("=", 10) + strings.Repeat("x", 10) + strings.Repeat(" ", 20)},
		{client.Counts{Submitted: 10_000, Done: 9_999, Quarantined: 1}, strings.Repeat("=", 39) + "x"},
		{client.Counts{Submitted: 3, Cancelled: 3}, strings.Repeat("x", 40)},
	} {
		if got := bar(client.Cohort{Counts: c.counts}); got != "["+c.want+"]" {
			t.Errorf("%+v: %s", c.counts, got)
		}
	}
	half := client.Cohort{Counts: client.Counts{Submitted: 2, Running: 1, Pending: 1}}
	half.Patches.Done, half.Patches.Planned = 500, 500 // of the one that runs
	if got := bar(half); got != "["+strings.Repeat("=", 20)+strings.Repeat(" ", 20)+"]" {
		t.Errorf("half of the patches: %s", got)
	}
}
