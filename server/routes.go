package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routes is the whole API: method, path, handler.
func (s *Server) routes() {
	s.mux = http.NewServeMux()
	open, work := route{open: true}, route{work: true} // without authentication; counted as a request for work

	s.route(open, "GET /health", s.health)
	s.route(open, "GET /livez", s.live)
	s.route(open, "GET /readyz", s.readiness)
	s.route(open, "GET /openapi.json", s.openAPI)
	s.route(open, "GET /{$}", s.web)
	s.route(open, "GET /assets/{path...}", s.web)

	s.route(route{}, "GET /model/info", s.modelInfo)
	s.route(route{}, "GET /machine", s.machine)
	s.route(route{}, "GET /autoscale", s.getAutoscale)
	s.route(route{}, "PUT /autoscale", s.putAutoscale)
	s.route(route{}, "GET /metrics", s.prometheus)

	s.route(work, "POST /predict", s.predict)
	s.route(work, "POST /predict/batch", s.predictBatch)
	s.route(work, "POST /slides", s.uploadSlide)
	s.route(work, "POST /cohorts", s.postCohort)
	s.route(route{}, "GET /uploads/{sha256}", s.getUpload)

	s.route(route{}, "GET /cohorts", s.getCohorts)
	s.route(route{}, "GET /cohorts/{id}", s.getCohort)
	s.route(route{}, "PATCH /cohorts/{id}", s.patchCohort)
	s.route(route{}, "DELETE /cohorts/{id}", s.deleteCohort)
	s.route(work, "POST /cohorts/{id}/retry", s.retryCohort)
	s.route(route{}, "GET /cohorts/{id}/events", s.events)

	s.route(route{}, "GET /slides/{id}", s.getSlide)
	s.route(route{}, "GET /slides/{id}/result", s.getFile("result"))
	s.route(route{}, "GET /slides/{id}/timing", s.getFile("timing"))
	s.route(route{}, "GET /slides/{id}/patches.csv", s.getFile("patches.csv"))
	s.route(route{}, "GET /slides/{id}/lesions.geojson", s.getFile("lesions.geojson"))
	s.route(route{}, "GET /slides/{id}/heatmap.png", s.getFile("heatmap.png"))
	s.route(route{}, "GET /slides/{id}/report.html", s.getFile("report.html"))
	s.route(route{}, "GET /slides/{id}/slide.dzi", s.slideDZI)
	s.route(route{}, "GET /slides/{id}/slide_files/{level}/{tile}", s.slideTile)
	s.route(route{}, "GET /slides/{id}/heatmap.dzi", s.heatDZI)
	s.route(route{}, "GET /slides/{id}/heatmap_files/{level}/{tile}", s.heatTile)
}

// route is one line of the table.
type route struct {
	pattern string // method and path, as metrics and logs name it
	open    bool   // asks for no credentials
	work    bool   // counts against the limits of a key
	handle  func(*call) error
}

// noRoute stands for a request until its route is found, missing for one that
// nothing takes.
var noRoute, missing = &route{}, &route{pattern: "none"}

func (s *Server) route(rt route, pattern string, handle func(*call) error) {
	rt.pattern, rt.handle = pattern, handle
	s.table = append(s.table, pattern)
	s.mux.Handle(pattern, &rt)
}

// ServeHTTP is called by the mux, with the call as the writer.
func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := w.(writer).call
	c.route = rt
	c.err = c.serve()
}

// prometheus answers GET /metrics.
func (s *Server) prometheus(c *call) error {
	promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{}).ServeHTTP(writer{c}, c.Request)
	return nil
}
