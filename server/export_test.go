package server

import (
	"io"
	"net/http"
	"net/netip"
)

// Routes returns method and path of every route.
func (s *Server) Routes() []string { return s.table }

// OpenAPI is the description as it stands in the program.
var OpenAPI = openAPIJSON

// What is made of a stranger's bytes.
var (
	CheckJSON = checkJSON
	PlainName = plainName
	SaveName  = saveName
)

// Client returns the address that a request is taken to come from.
func Client(r *http.Request, trusted ...string) string {
	s := &Server{}
	for _, t := range trusted {
		s.cfg.TrustedProxies = append(s.cfg.TrustedProxies, netip.MustParsePrefix(t))
	}
	return s.client(r)
}

// ParseForm reads a form as POST /predict does.
func ParseForm(r *http.Request) (fields map[string]string, file []byte, err error) {
	c := &call{Request: r}
	fields, err = c.form(predictFields, func(_ string, part io.Reader) (err error) {
		file, err = io.ReadAll(part)
		return err
	})
	return fields, file, err
}

// HoldBodies takes the memory that bodies have as long as it is free, until give is
// called.
func (s *Server) HoldBodies() (give func()) {
	n := int64(0)
	for s.bodies.take(freeBody) {
		n += freeBody
	}
	return func() { s.bodies.give(n) }
}
