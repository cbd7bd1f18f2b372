package server

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"strconv"
	"time"

	"bcc/auth"
	"bcc/fault"
	"bcc/slide"
)

// refusal is an error whose status the fault table does not have.
type refusal struct {
	status     int
	retryAfter time.Duration // 429 and 503; 0: not said
	err        error
}

func (e *refusal) Error() string { return e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// refuse returns an error that leaves with the given status.
func refuse(status int, hint, format string, args ...any) error {
	err := fault.New(kindOf(status), format, args...)
	if hint != "" {
		err = fault.Hint(err, "%s", hint)
	}
	return &refusal{status: status, err: err}
}

// later returns a 429 that says when to come again.
func later(after time.Duration, hint, format string, args ...any) error {
	err := refuse(http.StatusTooManyRequests, hint, format, args...).(*refusal)
	err.retryAfter = max(after, time.Second)
	return err
}

// kindOf keeps logs true: what is the client's doing is never Internal.
func kindOf(status int) fault.Kind {
	switch status {
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusUnsupportedMediaType:
		return fault.Unsupported
	case http.StatusTooManyRequests:
		return fault.Busy
	case http.StatusServiceUnavailable:
		return fault.Unavailable
	}
	return fault.Invalid
}

// errorBody is the JSON of every error.
type errorBody struct {
	Error errorJSON `json:"error"`
}

type errorJSON struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	Details   string `json:"details,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// answerTo says how an error leaves: its status, when to try again, and its words.
// What is our own fault, or that of a part behind us, keeps its words to itself:
// they hold paths and addresses.
func answerTo(err error) (status int, after time.Duration, message, details string) {
	kind := fault.Of(err)
	status, details = kind.Meaning().Status, fault.HintOf(err)
	message = err.Error()
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.status, e.retryAfter, message, details
	}
	if e, ok := errors.AsType[*Full](err); ok {
		return http.StatusTooManyRequests, max(e.RetryAfter, time.Second), message, details
	}
	switch {
	case errors.Is(err, slide.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, 0, message, details
	case errors.Is(err, slide.ErrNoMPP):
		return status, 0, "the slide does not say how many micrometres a pixel spans",
			"send the form field mpp_um, for example mpp_um=0.5"
	case errors.Is(err, context.Canceled), errors.Is(err, errGone):
		return statusGone, 0, errGone.Error(), ""
	case errors.Is(err, errDraining):
		return status, 0, "the server is shutting down", details
	case kind == fault.Unavailable && details == "":
		return status, 0, "a part that this needs does not answer", "try again in a moment"
	case kind == fault.Unavailable:
		return status, 0, "a part that this needs does not answer", details
	case kind == fault.Internal:
		return status, 0, "an error inside the server", "the log has it under this request_id"
	}
	if status == http.StatusTooManyRequests {
		after = time.Second
	}
	return status, after, message, details
}

// notBegun reports whether a request was refused before anything of it was done, for a
// reason that another server may not have. What waits for a slide in vain is wrapped:
// the slide is in the queue.
func notBegun(err error) bool {
	if _, full := errors.AsType[*Full](err); full {
		return true
	}
	return err == errDraining
}

// statusGone is never read by anybody: it stands in logs and metrics where the
// client went away (nginx's 499).
const statusGone = 499

// seconds is a Retry-After.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(math.Ceil(d.Seconds())), 10)
}

// bodyError says what is wrong when a body cannot be read.
func bodyError(err error) error {
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(e.Limit)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, "send it without pauses", "the body came too slowly")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refuse(http.StatusBadRequest, "", "the body ended before it was whole")
	case errors.Is(err, context.Canceled):
		return errGone
	}
	return refuse(http.StatusBadRequest, "", "read the body: %w", err)
}

func tooLarge(limit int64) error {
	return refuse(http.StatusRequestEntityTooLarge, "", "a body of more than %d bytes", limit)
}

func notFound(what string) error {
	return refuse(http.StatusNotFound, "", "no such %s", what)
}

// limitError turns what the limiter says into an answer.
func limitError(err error) error {
	if e, ok := errors.AsType[*auth.Exceeded](err); ok {
		return later(e.RetryAfter, "", "more than this key may ask for: %s", e.What)
	}
	return err
}
