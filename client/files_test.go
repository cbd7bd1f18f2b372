package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"bcc/client"
	"bcc/fault"
)

// finished is a real server with a cohort of so many slides that are done.
func finished(t *testing.T, slides int) (h http.Handler, cohort string) {
	t.Helper()
	s, end, err := realServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	c, _ := to(t, serve(t, s.ServeHTTP))
	o := client.Order{}
	u, err := c.UploadFrom(t.Context(), bytes.NewReader(picture(768, 640)), -1)
	if err != nil {
		t.Fatal(err)
	}
	for range slides {
		o.Slides = append(o.Slides, client.OrderSlide{Upload: u.SHA256, MPPUM: 4})
	}
	made, err := c.Submit(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	last, err := c.Follow(t.Context(), made.ID, func(client.Event) error { return nil })
	if err != nil || last.Counts.Done != slides {
		t.Fatalf("%+v, %v", last.Counts, err)
	}
	return s, made.ID
}

func TestFilesOfAResult(t *testing.T) {
	t.Parallel()
	h, id := finished(t, 1)
	c, _ := to(t, serve(t, h.ServeHTTP))
	for name, holds := range map[string]string{
		client.ResultFile: `"format_version"`, client.TimingFile: "{", client.PatchesFile: "prob_bcc",
		client.LesionsFile: "FeatureCollection", client.HeatmapFile: "PNG", client.ReportFile: "<html",
	} {
		var b bytes.Buffer
		if n, err := c.File(t.Context(), id+"-0", name, &b); err != nil || n != int64(b.Len()) || !strings.Contains(b.String(), holds) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	for _, x := range []struct {
		slide, name string
		kind        fault.Kind
	}{{id + "-7", client.ResultFile, fault.NotFound}, {id + "-0", "../result", fault.Invalid}, {id + "-0", "", fault.Invalid}} {
		if _, err := c.File(t.Context(), x.slide, x.name, io.Discard); fault.Of(err) != x.kind {
			t.Errorf("%s of %s: %v", x.name, x.slide, err)
		}
	}
	mine := errors.New("mine")
	if _, err := c.File(t.Context(), id+"-0", client.ResultFile, broken{mine}); err != mine {
		t.Errorf("error %v, want the writer's own", err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

// cutAfter lets so many bytes of an answer through, and breaks the connection.
type cutAfter struct {
	http.ResponseWriter
	left int
}

func (c *cutAfter) Write(p []byte) (int, error) {
	n, _ := c.ResponseWriter.Write(p[:min(c.left, len(p))])
	if c.left -= n; c.left == 0 {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func TestTheRestOfAFileIsAskedFor(t *testing.T) {
	t.Parallel()
	h, id := finished(t, 1)
	whole := httptest.NewRecorder()
	h.ServeHTTP(whole, httptest.NewRequestWithContext(t.Context(), "GET", "/slides/"+id+"-0/report.html", nil))
	for name, other := range map[string]bool{"the same": false, "made anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ranges notes
			c, _ := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				ranges.add(r.Header.Get("Range"))
				switch n := len(ranges.all()); {
				case n < 3:
					h.ServeHTTP(&cutAfter{w, 1000}, r)
				case other:
					answer(w, 200, "something else")
				default:
					h.ServeHTTP(w, r)
				}
			}))
			var b bytes.Buffer
			_, err := c.File(t.Context(), id+"-0", client.ReportFile, &b)
			if got := fmt.Sprint(ranges.all()); got != "[ bytes=1000- bytes=2000-]" {
				t.Errorf("asked for %s", got)
			}
			if other && fault.Of(err) != fault.Unavailable {
				t.Errorf("pieces of two files are taken for one: %v", err)
			}
			if !other && (err != nil || !bytes.Equal(b.Bytes(), whole.Body.Bytes())) {
				t.Errorf("%d bytes, want %d; %v", b.Len(), whole.Body.Len(), err)
			}
		})
	}
}

// cutEvents breaks a stream off after so many events of slides.
type cutEvents struct {
	http.ResponseWriter
	slides int
}

func (c *cutEvents) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cutEvents) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	if c.slides -= bytes.Count(p, []byte("event: slide\n")); c.slides <= 0 {
		http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// Streams that break off again and again, each at another server, tell of each end once:
// the next one begins where the last one was.
func TestFollowingGoesOnAtAnotherServer(t *testing.T) {
	t.Parallel()
	first, id := finished(t, 5) // whose ends come in their order now
	second, end, err := realServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	var from notes
	var sent atomic.Int32
	c, _ := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		from.add(r.Header.Get("Last-Event-ID"))
		h := first
		if len(from.all())%2 == 0 {
			h = second
		}
		left := 2
		if len(from.all()) == 3 {
			left = 100
		}
		cut := &cutEvents{w, left}
		defer func() { sent.Add(int32(left - cut.slides)) }()
		h.ServeHTTP(cut, r)
	}))
	ends := map[string]int{}
	last, err := c.Follow(t.Context(), id, func(e client.Event) error {
		if e.Slide != nil {
			ends[e.Slide.ID]++
		}
		return nil
	})
	if err != nil || !last.Over() || len(ends) != 5 {
		t.Errorf("%+v, %v, ends %v", last.Counts, err, ends)
	}
	for s, n := range ends {
		if n != 1 {
			t.Errorf("the end of %s is told %d times", s, n)
		}
	}
	if got, _ := json.Marshal(from.all()); string(got) != `["","2","4"]` || sent.Load() != 5 {
		t.Errorf("asked from %s on and heard %d ends, want 5 in all", got, sent.Load())
	}
}
