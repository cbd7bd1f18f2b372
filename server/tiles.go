package server

type tiles struct{}

func newTiles(Config, *results) *tiles { return &tiles{} }
func (t *tiles) close()                {}

func (s *Server) slideDZI(c *call) error  { return notFound("page") }
func (s *Server) slideTile(c *call) error { return notFound("page") }
func (s *Server) heatDZI(c *call) error   { return notFound("page") }
func (s *Server) heatTile(c *call) error  { return notFound("page") }
