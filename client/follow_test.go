package client_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bcc/client"
	"bcc/fault"
)

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func isFile(err error) bool { return errors.Is(err, client.ErrFile) }

func cohortWith(done, left int) string {
	return fmt.Sprintf(`{"id": %q, "counts": {"submitted": %d, "done": %d, "pending": %d}}`, id, done+left, done, left)
}

func slide(i int) string { return fmt.Sprintf(`{"id": "%s-%d", "state": "done"}`, id, i) }

func event(w http.ResponseWriter, name, data string) {
	fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data)
	w.(http.Flusher).Flush()
}

func stream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	io.WriteString(w, ": still here\n\n")
}

// heard follows the cohort and returns how often each slide's end was told.
func heard(t *testing.T, c *client.Client) map[string]int {
	t.Helper()
	ends := map[string]int{}
	last, err := c.Follow(t.Context(), id, func(e client.Event) error {
		if e.Slide != nil {
			ends[e.Slide.ID]++
		}
		return nil
	})
	if err != nil || !last.Over() || last.Counts.Done != 3 {
		t.Errorf("it ends with %+v, %v", last, err)
	}
	return ends
}

func onceEach(t *testing.T, ends map[string]int) {
	t.Helper()
	for i := range 3 {
		if n := ends[fmt.Sprintf("%s-%d", id, i)]; n != 1 {
			t.Errorf("the end of slide %d is told %d times", i, n)
		}
	}
}

func TestAStreamThatBreaksIsOpenedAnew(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	c, _ := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w)
		event(w, "cohort", cohortWith(1, 2))
		event(w, "slide", slide(0))
		event(w, "progress", `{"id": "x"}`)
		if n.Add(1) == 1 {
			event(w, "slide", slide(1))
			io.WriteString(w, "event: slide\nda")
			return // the server was killed
		}
		event(w, "slide", slide(1))
		event(w, "slide", slide(2))
		event(w, "end", cohortWith(3, 0))
	}))
	onceEach(t, heard(t, c))
	if n.Load() != 2 {
		t.Errorf("%d streams", n.Load())
	}
}

func TestWithoutAStreamItLooks(t *testing.T) {
	t.Parallel()
	for name, events := range map[string]http.HandlerFunc{
		"too many": func(w http.ResponseWriter, _ *http.Request) { refuse(w, 429, "too many open event streams", "") },
		"kept back": func(w http.ResponseWriter, r *http.Request) {
			stream(w)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var looks atomic.Int32
			c, _ := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/events"):
					events(w, r)
				case r.URL.Query().Get("limit") == "0" && looks.Add(1) == 1:
					answer(w, 200, cohortWith(1, 2))
				case r.URL.Query().Get("limit") == "0":
					answer(w, 200, cohortWith(3, 0))
				case looks.Load() == 1:
					answer(w, 200, `{"id": "`+id+`", "slides": [`+slide(0)+`, {"id": "`+id+`-1", "state": "running"}]}`)
				default:
					answer(w, 200, `{"id": "`+id+`", "slides": [`+slide(0)+`,`+slide(1)+`,`+slide(2)+`]}`)
				}
			}), func(c *client.Config) { c.Silence = 100 * time.Millisecond })
			onceEach(t, heard(t, c))
		})
	}
}

func TestFollowingEndsWithAnErrorThatIsOne(t *testing.T) {
	t.Parallel()
	c, _ := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) { refuse(w, 404, "no such cohort", "") }))
	if _, err := c.Follow(t.Context(), id, func(client.Event) error { return nil }); fault.Of(err) != fault.NotFound {
		t.Errorf("error %v", err)
	}
	mine := errors.New("mine")
	c, _ = to(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		stream(w)
		event(w, "cohort", cohortWith(1, 2))
		<-r.Context().Done()
	}))
	if _, err := c.Follow(t.Context(), id, func(client.Event) error { return mine }); err != mine {
		t.Errorf("error %v, want the caller's own", err)
	}
}
