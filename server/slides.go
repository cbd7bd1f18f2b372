package server

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"bcc/cohort"
	"bcc/fault"
	"bcc/report"
)

// getSlide answers GET /slides/{id}.
func (s *Server) getSlide(c *call) error {
	st, err := c.slideOf()
	if err != nil {
		return err
	}
	out := oneSlideJSON{slideJSON: newSlide(st)}
	out.Cohort, _, _ = cohort.ParseSlideID(st.ID)
	if st.State == cohort.Done && st.End != nil {
		r, err := s.results.result(c.Context(), st.End.Result)
		if err != nil && fault.Of(err) != fault.NotFound {
			return err
		}
		if err == nil {
			out.Files = filesOf(st.ID)
			out.WidthPx, out.HeightPx, out.MPPUM = &r.Slide.WidthPx, &r.Slide.HeightPx, &r.Slide.MPPUM
		}
	} else if sha := st.Slide.SHA256; sha != "" {
		if u, err := s.uploaded(c.Context(), c.who.ID, sha); err == nil {
			out.WidthPx, out.HeightPx, out.MPPUM = &u.WidthPx, &u.HeightPx, set(u.MPPUM)
		}
	}
	c.sendJSON(http.StatusOK, out)
	return nil
}

// resultFile is one file of a result and how it leaves.
type resultFile struct {
	name string // in the set
	kind string
	end  string // of the name it is saved under
	csp  string // empty: nothing may be loaded
}

// The page of a report holds its own styles and pictures, and no script.
const reportCSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"

var resultFiles = map[string]resultFile{
	"result":          {report.ResultFile, "application/json", "result.json", ""},
	"timing":          {report.TimingFile, "application/json", "timing.json", ""},
	"patches.csv":     {report.PatchesFile, "text/csv; charset=utf-8", "patches.csv", ""},
	"lesions.geojson": {report.LesionsFile, "application/geo+json", "lesions.geojson", ""},
	"heatmap.png":     {report.HeatmapFile, "image/png", "heatmap.png", ""},
	"report.html":     {report.PageFile, "text/html; charset=utf-8", "report.html", reportCSP},
}

// getFile returns the handler of one file of a result.
func (s *Server) getFile(path string) func(*call) error {
	f := resultFiles[path]
	return func(c *call) error {
		st, err := c.slideOf()
		if err != nil {
			return err
		}
		if st.State != cohort.Done || st.End == nil {
			return refuse(http.StatusNotFound, "GET /slides/"+st.ID+" tells how far it is", "this slide has no result: it is %s", st.State)
		}
		data, sum, err := s.results.file(c.Context(), st.End.Result, f.name)
		if err != nil {
			return err
		}
		h := c.w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Etag", `"`+sum+`"`)
		h.Set("Cache-Control", "private, no-cache") // may be kept, and is asked for again: access can end
		if f.csp != "" {
			h.Set("Content-Security-Policy", f.csp)
		}
		disposition := "attachment"
		if f.name == report.PageFile || c.URL.Query().Get("inline") == "1" {
			disposition = "inline"
		}
		h.Set("Content-Disposition", disposition+`; filename="`+saveName(st.Slide.Name)+"-"+f.end+`"`)
		http.ServeContent(writer{c}, c.Request, "", time.Time{}, bytes.NewReader(data))
		return nil
	}
}

// saveName returns a slide's name as it may stand in a header: letters, digits and
// a few signs, without its ending.
func saveName(name string) string {
	for _, end := range [...]string{".tif", ".tiff", ".svs", ".png", ".jpg", ".jpeg"} {
		if len(name) > len(end) && strings.EqualFold(name[len(name)-len(end):], end) {
			name = name[:len(name)-len(end)]
			break
		}
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, name)
	if name = strings.Trim(name[:min(len(name), 80)], "."); name == "" {
		return "slide"
	}
	return name
}
