// Package server is the HTTP API and the web page. It runs no model: slides go
// through the queue, and small pictures to a Looker.
package server
