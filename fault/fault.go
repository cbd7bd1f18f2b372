// Package fault names the kinds of failure that a caller has to tell apart and
// keeps the one table that says what each kind means outside the program: an
// HTTP status, an exit code, and whether the queue tries again.
//
// In: any error, wrapped anywhere with %w. Out: its kind and its hint. It does
// not log and it does not print.
package fault

import (
	"errors"
	"fmt"
	"net/http"
)

// Kind is what a caller may decide on. The zero Kind, Internal, is our own fault.
type Kind uint8

// The kinds. Everything that carries none of them is Internal.
const (
	Internal    Kind = iota // a broken promise inside the program
	Invalid                 // the caller asked for something that makes no sense
	NotFound                // what was asked for does not exist
	Unsupported             // well formed, but we cannot read or run it
	Corrupt                 // damaged, or not what it says it is
	Busy                    // no room now; the same call may succeed later
	Unavailable             // a part we depend on does not answer or is missing
)

// Meaning is one row of the table.
type Meaning struct {
	Name   string // one word, as it stands in logs and metrics
	Status int    // HTTP status code
	Exit   int    // exit code of the program
	Retry  bool   // whether the queue tries the same work again
}

var table = [...]Meaning{
	Internal:    {"internal", http.StatusInternalServerError, 1, true},
	Invalid:     {"invalid", http.StatusBadRequest, 2, false},
	NotFound:    {"not_found", http.StatusNotFound, 3, false},
	Unsupported: {"unsupported", http.StatusUnsupportedMediaType, 4, false},
	Corrupt:     {"corrupt", http.StatusUnprocessableEntity, 5, false},
	Busy:        {"busy", http.StatusTooManyRequests, 6, true},
	Unavailable: {"unavailable", http.StatusServiceUnavailable, 7, true},
}

// Meaning returns the kind's row of the table.
func (k Kind) Meaning() Meaning {
	if int(k) >= len(table) {
		return table[Internal]
	}
	return table[k]
}

func (k Kind) String() string { return k.Meaning().Name }

// Error is a failure with a kind and, for a person, a hint: what to do next.
type Error struct {
	Kind Kind
	Hint string // one line, may be empty
	Err  error  // what was being done, to what, then the cause
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of the kind. The format takes %w.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// Hint returns err with a hint for a person, keeping its kind. A nil err stays nil.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: Of(err), Hint: fmt.Sprintf(format, args...), Err: err}
}

// Of returns the kind of the outermost Error in err's chain, Internal where there is none.
func Of(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// HintOf returns the outermost hint in err's chain that is not empty.
func HintOf(err error) string {
	for {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
}

// Exit returns the exit code for err: 0 for nil.
func Exit(err error) int {
	if err == nil {
		return 0
	}
	return Of(err).Meaning().Exit
}
