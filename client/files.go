package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"bcc/fault"
)

// The files of a slide's result, for File.
const (
	ResultFile  = "result" // JSON: all that was found
	TimingFile  = "timing" // JSON: where the time went
	PatchesFile = "patches.csv"
	LesionsFile = "lesions.geojson" // outlines, as QuPath reads them
	HeatmapFile = "heatmap.png"
	ReportFile  = "report.html"
)

var resultFiles = []string{ResultFile, TimingFile, PatchesFile, LesionsFile, HeatmapFile, ReportFile}

// File writes a file of a slide's result to w and returns its size. A slide that is not
// done has none (fault.NotFound). When the server goes away in the middle, the rest is
// asked for; a file that is another one by then is an error, for w has the start of it.
func (c *Client) File(ctx context.Context, slide, name string, w io.Writer) (bytes int64, err error) {
	if !slices.Contains(resultFiles, name) {
		return 0, fault.Hint(fault.New(fault.Invalid, "a result has no file %.100q", name), "one of %q", resultFiles)
	}
	r := request{method: "GET", path: "/slides/" + url.PathEscape(slide) + "/" + name}
	var tag string
	err = c.again(ctx, func() error {
		ctx, cut := context.WithCancelCause(ctx)
		defer cut(nil)
		q := r
		if bytes > 0 {
			q.header = [][2]string{{"Range", fmt.Sprintf("bytes=%d-", bytes)}, {"If-Range", tag}}
		}
		res, stop, err := c.send(ctx, q)
		if err != nil {
			return err
		}
		defer stop()
		if bytes > 0 && res.StatusCode != http.StatusPartialContent {
			res.Body.Close()
			return fault.Hint(fault.New(fault.Unavailable, "the file of slide %s was made anew while it was read", slide), "ask for it again")
		}
		tag = res.Header.Get("Etag")
		body := newMoving(res.Body, c.cfg.Silence, func() { cut(errStalled) })
		defer body.Close()
		out := &noted{w: w}
		n, err := io.Copy(out, body)
		bytes += n
		switch {
		case out.err != nil:
			return out.err
		case err != nil && context.Cause(ctx) != nil:
			return &away{err: context.Cause(ctx)}
		case err != nil:
			return &away{err: err}
		}
		return nil
	})
	if e, ok := errors.AsType[*writeError](err); ok {
		err = e.error
	}
	return bytes, err
}

// noted keeps the writer's own error apart from what befalls the connection.
type noted struct {
	w   io.Writer
	err error
}

type writeError struct{ error }

func (w *noted) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if err != nil {
		w.err = &writeError{err}
	}
	return n, err
}
