package server

import (
	"io/fs"

	"bcc/server/page"
)

var webPage = page.Handler()

// web answers GET / and GET /assets/{path...}: the web page, which says itself how
// it may be kept and what it may load.
func (s *Server) web(c *call) error {
	if name := c.PathValue("path"); name != "" {
		if i, err := fs.Stat(page.FS, "assets/"+name); err != nil || i.IsDir() {
			return notFound("page")
		}
	}
	webPage.ServeHTTP(writer{c}, c.Request)
	return nil
}
