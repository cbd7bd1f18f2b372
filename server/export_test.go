package server

// Routes returns method and path of every route.
func (s *Server) Routes() []string { return s.table }

// OpenAPI is the description as it stands in the program.
var OpenAPI = openAPIJSON
