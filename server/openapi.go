package server

import (
	_ "embed"
	"net/http"
)

// openAPIJSON describes every route; a test compares both, and real answers with
// their schemas.
//
//go:embed openapi.json
var openAPIJSON []byte

// openAPI answers GET /openapi.json.
func (s *Server) openAPI(c *call) error {
	c.w.Header()["Content-Type"] = jsonType
	c.w.Header().Set("Cache-Control", "no-cache")
	w := writer{c}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(openAPIJSON)
	return nil
}
