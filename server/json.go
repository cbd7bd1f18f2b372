package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"bcc/fault"
)

// jsonBuffers keep the answers of small pictures off the heap.
var jsonBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const keptBuffer = 64 << 10 // bytes; larger ones are let go

var jsonType = []string{"application/json"}

// sendJSON answers with v.
func (c *call) sendJSON(status int, v any) {
	b := jsonBuffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= keptBuffer {
			b.Reset()
			jsonBuffers.Put(b)
		}
	}()
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false) // never shown as HTML: nosniff, and the type says so
	if err := enc.Encode(v); err != nil {
		panic(err) // our own types
	}
	h := c.w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(b.Len())}
	w := writer{c}
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // of a client that is gone nobody wants to hear
}

// Limits of a JSON body. A manifest of 50,000 addresses has some 10 MB.
const (
	maxJSON      = 32 << 20
	maxJSONDepth = 16
	maxFields    = 64 // of an object
)

// readJSON reads the body into v, strictly: an unknown field, a field given twice or
// anything behind the value is an error, because a mistyped parameter that is passed
// over gives a wrong answer with nobody knowing.
func (c *call) readJSON(v any) error {
	data, err := c.readBody(maxJSON)
	if err != nil {
		return err
	}
	// Twice: of a few slides too many the manifest says how many they are.
	if err := checkJSON(data, 2*c.s.cfg.MaxSlides); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fault.New(fault.Invalid, "the JSON of the body: %s", plainly(err))
	}
	return nil
}

// plainly says what is wrong with a value without Go's names for it.
func plainly(err error) string {
	if e, ok := errors.AsType[*time.ParseError](err); ok {
		return fmt.Sprintf("%q is no time such as 2026-01-31T12:00:00Z", short(e.Value))
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		want := "another type"
		switch e.Type.Kind() {
		case reflect.Struct, reflect.Map:
			want = "an object"
		case reflect.Slice:
			want = "an array"
		case reflect.String:
			want = "a string"
		case reflect.Bool:
			want = "true or false"
		case reflect.Int:
			want = "a whole number"
		case reflect.Float64:
			want = "a number"
		}
		if e.Field == "" {
			return fmt.Sprintf("not %s but %s", want, short(e.Value))
		}
		return fmt.Sprintf("%s is not %s but %s", short(e.Field), want, short(e.Value))
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// Bodies are held in memory. What is beyond freeBody of each is counted over all
// requests: a few dozen large ones at once would be all the memory there is.
const (
	freeBody  = 64 << 10
	allBodies = 4 * maxJSON
)

// readBody reads a body of at most limit bytes into memory. It counts until the
// request is over.
func (c *call) readBody(limit int64) ([]byte, error) {
	if c.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	body := http.MaxBytesReader(c.w, c.Body, limit)
	b := make([]byte, 0, freeBody)
	for {
		n, err := fill(body, b[len(b):cap(b)])
		if b = b[:len(b)+n]; err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, bodyError(err)
		}
		if !c.s.bodies.take(int64(cap(b))) {
			c.s.metrics.refused.WithLabelValues("memory").Inc()
			return nil, later(time.Second, "", "too many large bodies at once")
		}
		c.held += int64(cap(b))
		b = append(make([]byte, 0, 2*cap(b)), b...)
	}
}

// checkJSON refuses what encoding/json lets pass: fields given twice, and depths and
// numbers that only an attack has. An element of an array, three bytes of it, becomes
// a hundred bytes of a slide when it is decoded: there may be items of them at most.
func checkJSON(data []byte, items int) error {
	if !json.Valid(data) {
		return fault.New(fault.Invalid, "the body is not JSON")
	}
	var seen []map[string]bool // of the objects that are open; nil for an array
	key := false               // a string here would be a key
	commas := 0                // in arrays
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			seen, key = append(seen, map[string]bool{}), true
		case '[':
			seen, key = append(seen, nil), false
		case '}', ']':
			seen, key = seen[:len(seen)-1], false
		case ',':
			if key = seen[len(seen)-1] != nil; !key {
				commas++
			}
			if commas >= items {
				return fault.New(fault.Invalid, "lists of more than %d items in all", items)
			}
		case '"':
			end := i + 1
			for data[end] != '"' {
				if data[end] == '\\' {
					end++
				}
				end++
			}
			if key {
				var name string
				if err := json.Unmarshal(data[i:end+1], &name); err != nil {
					return fault.New(fault.Invalid, "the body is not JSON")
				}
				name = strings.ToLower(name) // as encoding/json compares
				switch top := seen[len(seen)-1]; {
				case top[name]:
					return fault.New(fault.Invalid, "the field %q is given twice", name)
				case len(top) == maxFields:
					return fault.New(fault.Invalid, "an object of more than %d fields", maxFields)
				default:
					top[name] = true
				}
				key = false
			}
			i = end
		}
		if len(seen) > maxJSONDepth {
			return fault.New(fault.Invalid, "JSON of more than %d levels", maxJSONDepth)
		}
	}
	return nil
}
