package awstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// models are where Debian's python3-botocore keeps Amazon's description of the API.
const models = "/usr/lib/python3/dist-packages/botocore/data/autoscaling/*/service-2.json"

// Model is the published description of an API, and holds requests against it.
type Model struct {
	Metadata   struct{ APIVersion, Protocol string }
	Operations map[string]struct{ Input struct{ Shape string } }
	Shapes     map[string]shape
}

type shape struct {
	Type     string
	Required []string
	Members  map[string]member
	Member   member
	Min, Max *int
	Pattern  string
	Enum     []string
}

type member struct{ Shape, LocationName string }

// Published reads the description; nil where it is not installed.
var Published = sync.OnceValues(func() (*Model, error) {
	found, err := filepath.Glob(models)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	text, err := os.ReadFile(found[len(found)-1])
	if err != nil {
		return nil, err
	}
	m := new(Model)
	return m, json.Unmarshal(text, m)
})

// Check returns everything in a request that the description does not allow: of the
// Query protocol, in which a parameter's path is its name (a.member.1.b).
func (m *Model) Check(form url.Values) error {
	action := form.Get("Action")
	operation, ok := m.Operations[action]
	if !ok {
		return fmt.Errorf("no operation %q", action)
	}
	var errs []error
	if v := form.Get("Version"); v != m.Metadata.APIVersion {
		errs = append(errs, fmt.Errorf("version %q, want %q", v, m.Metadata.APIVersion))
	}
	tree := map[string]any{}
	for name, values := range form {
		if name == "Action" || name == "Version" {
			continue
		}
		if len(values) != 1 {
			errs = append(errs, fmt.Errorf("%s is there %d times", name, len(values)))
		}
		plant(tree, strings.Split(name, "."), values[0])
	}
	return errors.Join(append(errs, m.structure(action, operation.Input.Shape, tree)...)...)
}

// plant puts a value at a path of a tree.
func plant(tree map[string]any, path []string, value string) {
	if len(path) == 1 {
		tree[path[0]] = value
		return
	}
	below, ok := tree[path[0]].(map[string]any)
	if !ok {
		below = map[string]any{}
		tree[path[0]] = below
	}
	plant(below, path[1:], value)
}

func (m *Model) structure(at, name string, tree map[string]any) (errs []error) {
	s := m.Shapes[name]
	for _, r := range s.Required {
		if _, ok := tree[r]; !ok {
			errs = append(errs, fmt.Errorf("%s: %s is required", at, r))
		}
	}
	for key, value := range tree {
		of, ok := s.Members[key]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: no parameter %s", at, key))
			continue
		}
		errs = append(errs, m.value(at+"."+key, of.Shape, value)...)
	}
	return errs
}

func (m *Model) value(at, name string, value any) []error {
	s := m.Shapes[name]
	below, isTree := value.(map[string]any)
	switch {
	case s.Type == "structure" && isTree:
		return m.structure(at, name, below)
	case s.Type == "list" && isTree:
		return m.list(at, s, below)
	case isTree || s.Type == "structure" || s.Type == "list":
		return []error{fmt.Errorf("%s: a %s is wanted", at, s.Type)}
	}
	if err := s.scalar(value.(string)); err != nil {
		return []error{fmt.Errorf("%s: %w", at, err)}
	}
	return nil
}

func (m *Model) list(at string, s shape, tree map[string]any) (errs []error) {
	items, ok := tree["member"].(map[string]any)
	if !ok || len(tree) != 1 {
		return []error{fmt.Errorf("%s: want %s.member.1 and so on", at, at)}
	}
	for i := range len(items) {
		item, ok := items[strconv.Itoa(i+1)]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: member %d of %d is not there", at, i+1, len(items)))
			continue
		}
		errs = append(errs, m.value(fmt.Sprintf("%s.%d", at, i+1), s.Member.Shape, item)...)
	}
	return errs
}

// scalar checks a value against its type and its limits.
func (s shape) scalar(value string) error {
	size := len([]rune(value))
	switch s.Type {
	case "integer":
		n, err := strconv.ParseInt(value, 10, 32)
		if size = int(n); err != nil {
			return fmt.Errorf("%q is no integer", value)
		}
	case "boolean":
		if value != "true" && value != "false" {
			return fmt.Errorf("%q is no boolean", value)
		}
		return nil
	case "timestamp":
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			return fmt.Errorf("%q is no time", value)
		}
		return nil
	case "string":
		if p := s.pattern(); p != nil && !p.MatchString(value) {
			return fmt.Errorf("%q does not match %s", value, s.Pattern)
		}
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, value) {
			return fmt.Errorf("%q is none of %v", value, s.Enum)
		}
	default:
		return fmt.Errorf("type %q is not known here", s.Type)
	}
	if s.Min != nil && size < *s.Min || s.Max != nil && size > *s.Max {
		return fmt.Errorf("%q: %d is outside its limits", value, size)
	}
	return nil
}

// pattern is the shape's, in Go's words: the description writes in Java's, with
// surrogates for what lies past 16 bits.
func (s shape) pattern() *regexp.Regexp {
	if s.Pattern == "" {
		return nil
	}
	text := strings.ReplaceAll(s.Pattern, `\uD800\uDC00-\uDBFF\uDFFF`, `\x{10000}-\x{10FFFF}`)
	text = regexp.MustCompile(`\\u([0-9A-F]{4})`).ReplaceAllString(text, `\x{$1}`)
	return regexp.MustCompile(`^(?:` + text + `)$`)
}
