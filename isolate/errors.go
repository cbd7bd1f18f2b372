package isolate

import (
	"context"
	"errors"
	"io"

	"bcc/fault"
	"bcc/slide"
)

// failure is an error on its way between the processes.
type failure struct {
	Message string     `json:"message"`
	Typed   bool       `json:"typed"` // it has a kind
	Kind    fault.Kind `json:"kind"`
	Hint    string     `json:"hint,omitempty"`
	Is      []int      `json:"is,omitempty"`     // places in sentinels
	Source  uint32     `json:"source,omitempty"` // number of the reading that failed; 0: none did
}

// sentinels are the errors that callers look for. Both processes are the same
// program, so a place in the list is enough.
var sentinels = []error{
	slide.ErrNoMPP, slide.ErrTooLarge,
	io.EOF, io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded,
}

// pack describes err for the other process.
func pack(err error) failure {
	f := failure{Message: err.Error(), Hint: fault.HintOf(err)}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		f.Typed, f.Kind = true, e.Kind
	}
	for i, s := range sentinels {
		if errors.Is(err, s) {
			f.Is = append(f.Is, i)
		}
	}
	if e, ok := errors.AsType[*foreign](err); ok {
		f.Source = e.source
	}
	return f
}

// unpack returns the error that was packed: the same words, kind, hint and
// sentinels, and cause, where that is not nil.
func unpack(f failure, cause error) error {
	e := &foreign{message: f.Message, source: f.Source}
	for _, i := range f.Is {
		if i >= 0 && i < len(sentinels) {
			e.causes = append(e.causes, sentinels[i])
		}
	}
	if cause != nil {
		e.causes = append(e.causes, cause)
	}
	if !f.Typed {
		return e
	}
	return &fault.Error{Kind: f.Kind, Hint: f.Hint, Err: e}
}

// foreign is an error of the other process.
type foreign struct {
	message string
	causes  []error
	source  uint32
}

func (e *foreign) Error() string   { return e.message }
func (e *foreign) Unwrap() []error { return e.causes }
