package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"bcc/client"
	"bcc/fault"
)

// once is what can be read once, as a pipe or somebody's answer.
type once struct{ io.Reader }

func TestASlideIsSentAsItIsRead(t *testing.T) {
	t.Parallel()
	c, _ := to(t, serveReal(t))
	data := picture(700, 600)
	for name, x := range map[string]struct {
		r     io.Reader
		bytes int64
	}{
		"a known size":            {bytes.NewReader(data), int64(len(data))},
		"one nobody knows":        {once{bytes.NewReader(data)}, -1},
		"known, and read once":    {once{bytes.NewReader(data)}, int64(len(data))},
		"a pipe of a few at once": {piped(data), -1},
	} {
		got, err := c.UploadFrom(t.Context(), x.r, x.bytes)
		if err != nil || got.SHA256 != sumOf(data) || got.Bytes != int64(len(data)) || got.WidthPx != 700 || !got.Sent {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func piped(data []byte) io.Reader {
	r, w := io.Pipe()
	go func() {
		for part := range bytesOf(data, 1000) {
			w.Write(part)
		}
		w.Close()
	}()
	return r
}

func bytesOf(data []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			k := min(n, len(data))
			if !yield(data[:k]) {
				return
			}
			data = data[k:]
		}
	}
}

func TestWhatCannotBeReadAsSaidIsNotTheServersFault(t *testing.T) {
	t.Parallel()
	c, said := to(t, serveReal(t))
	data := picture(700, 600)
	n := int64(len(data))
	torn := errors.New("the tape is torn")
	for name, x := range map[string]struct {
		r     io.Reader
		bytes int64
		kind  fault.Kind
	}{
		"shorter":       {bytes.NewReader(data[:n-1]), n, fault.Invalid},
		"longer":        {bytes.NewReader(data), n - 1, fault.Invalid},
		"empty":         {strings.NewReader(""), -1, fault.Corrupt},
		"empty as said": {strings.NewReader(""), 0, fault.Corrupt},
		"torn":          {io.MultiReader(bytes.NewReader(data[:n/2]), failing{torn}), -1, fault.Unavailable},
	} {
		if _, err := c.UploadFrom(t.Context(), x.r, x.bytes); fault.Of(err) != x.kind || !isFile(err) {
			t.Errorf("%s: %v, %v", name, fault.Of(err), err)
		} else if name == "torn" && !strings.Contains(err.Error(), torn.Error()) {
			t.Errorf("%s: says %v", name, err)
		}
	}
	if lines := said.all(); len(lines) != 0 {
		t.Errorf("it was tried again: %q", lines)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// torn is a real server that is away in the middle of the first upload.
func torn(t *testing.T) (url string, uploads *atomic.Int32) {
	t.Helper()
	s, end, err := realServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	uploads = &atomic.Int32{}
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && uploads.Add(1) == 1 {
			io.CopyN(io.Discard, r.Body, 1000)
			panic(http.ErrAbortHandler)
		}
		s.ServeHTTP(w, r)
	}), uploads
}

func TestAnUploadThatBreaksOffIsSentAgainFromItsStart(t *testing.T) {
	t.Parallel()
	url, uploads := torn(t)
	c, said := to(t, url)
	data := picture(900, 800)
	r := bytes.NewReader(append([]byte("before"), data...))
	r.Seek(6, io.SeekStart) // it begins where it stands
	got, err := c.UploadFrom(t.Context(), r, -1)
	if err != nil || got.SHA256 != sumOf(data) || uploads.Load() != 2 || len(said.all()) != 1 {
		t.Errorf("%+v, %v after %d uploads and %q", got, err, uploads.Load(), said.all())
	}

	url, uploads = torn(t)
	c, said = to(t, url)
	if _, err := c.UploadFrom(t.Context(), once{bytes.NewReader(data)}, -1); fault.Of(err) != fault.Unavailable ||
		!strings.Contains(err.Error(), "cannot be read again") || !strings.Contains(fault.HintOf(err), "io.Seeker") {
		t.Errorf("what is read once: %v with hint %q", err, fault.HintOf(err))
	}
	if uploads.Load() != 1 || len(said.all()) != 0 {
		t.Errorf("%d uploads, says %q", uploads.Load(), said.all())
	}
}

func TestWhatIsRefusedBeforeItIsReadIsSentLater(t *testing.T) {
	t.Parallel()
	s, end, err := realServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	var n atomic.Int32
	c, said := to(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			refuse(w, 429, "full", "") // who reads nothing of the body asks for nothing of it
			return
		}
		s.ServeHTTP(w, r)
	}))
	data := picture(900, 800)
	if got, err := c.UploadFrom(t.Context(), once{bytes.NewReader(data)}, -1); err != nil || got.SHA256 != sumOf(data) || len(said.all()) != 1 {
		t.Errorf("%+v, %v after %q", got, err, said.all())
	}
}

func TestAnUploadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c, _ := to(t, serveReal(t))
	ctx, stop := context.WithCancelCause(t.Context())
	mine := errors.New("mine")
	hangs, w := io.Pipe()
	defer w.Close()
	go func() {
		w.Write(picture(900, 800)[:2000])
		stop(mine) // all that was written is read: it waits for more now
	}()
	if _, err := c.UploadFrom(ctx, hangs, -1); err != mine {
		t.Errorf("error %v", err)
	}
}

func TestPredictAnswers(t *testing.T) {
	t.Parallel()
	c, _ := to(t, serveReal(t))
	high := 0.99
	p, err := c.Predict(t.Context(), picture(patchPx, patchPx), client.PredictOptions{Patches: true, Parameters: client.Parameters{Threshold: &high}})
	if err != nil || p.Prediction != "Non-malignant" || len(p.Patches) != 1 || p.Patches[0].Coordinates != [4]int{0, 0, patchPx, patchPx} || p.Notice == "" || p.RequestID == "" {
		t.Errorf("%+v, %v", p, err)
	}
	large, err := c.Predict(t.Context(), picture(768, 640), client.PredictOptions{Parameters: client.Parameters{MPPUM: 4}})
	if err != nil || large.Prediction != "BCC" || len(large.Lesions) != 1 || large.ID == nil || large.Patches == nil || len(large.Patches) != 0 {
		t.Errorf("a slide: %+v, %v", large, err)
	}
	if _, err := c.Predict(t.Context(), []byte("no picture"), client.PredictOptions{}); fault.Of(err) != fault.Unsupported {
		t.Errorf("no picture: %v", err)
	}
	for _, o := range []client.PredictOptions{{Priority: "now"}, {Parameters: client.Parameters{MPPUM: -1}}} {
		if _, err := c.Predict(t.Context(), picture(patchPx, patchPx), o); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
