package server_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"bcc/server"
)

// described is the description of the API, checked for being one.
var described = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData(server.OpenAPI)
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc) // validates doc
})

// conforms fails the test where an answer is not as its route's description says.
// Every answer to every request of these tests goes through it.
func conforms(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	router, err := described()
	if err != nil {
		t.Fatal(err)
	}
	u := *r.URL
	u.Scheme, u.Host = "", ""
	plain := &http.Request{Method: r.Method, URL: &u, Header: r.Header}
	if plain.Method == http.MethodHead {
		return // as GET, without a body
	}
	route, params, err := router.FindRoute(plain)
	if err != nil {
		if a.status != 404 && a.status != 405 {
			t.Errorf("%s %s: %d, and no route is described: %v", r.Method, u.Path, a.status, err)
		}
		return
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: plain, PathParams: params, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true,
			ExcludeResponseBody: !strings.HasPrefix(a.header.Get("Content-Type"), "application/json"),
		},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), in); err != nil {
		t.Errorf("%s %s answers %d otherwise than described: %v", r.Method, u.Path, a.status, err)
	}
}

func TestEveryRouteIsDescribedAndEveryDescriptionIsARoute(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(server.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	var words []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			words = append(words, method+" "+path)
			if op.OperationID == "" || op.Summary == "" {
				t.Errorf("%s %s has no name or no summary", method, path)
			}
		}
	}
	var routes []string
	for _, r := range newServer(t).Routes() {
		routes = append(routes, strings.NewReplacer("{$}", "", "...}", "}").Replace(r))
	}
	slices.Sort(words)
	slices.Sort(routes)
	if !slices.Equal(words, routes) {
		t.Errorf("described:\n%s\nrouted:\n%s", strings.Join(words, "\n"), strings.Join(routes, "\n"))
	}
}

func TestTheDescriptionSaysWhatIsOpenAndWhatIsNot(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(server.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	withKey, _ := withKeys(t, "lab")
	s := newServer(t, withKey)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			at := strings.NewReplacer("{id}", "x", "{level}", "0", "{tile}", "0_0", "{path}", "app.js", "{sha256}", "x").Replace(path)
			open := op.Security != nil && len(*op.Security) == 0
			if got := s.do(t, method, at, nil).status; (got != 401) != open {
				t.Errorf("%s %s answers %d without a key; described as open: %v", method, at, got, open)
			}
		}
	}
}
