package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"bcc/fault"
)

// unavailable says that the server did not do what was asked of it. A cancelled
// context is passed on as what it is; a store that is full is Busy.
func unavailable(err error, doing string) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if full(err) {
		return fault.Hint(fault.New(fault.Busy, "%s: %w", doing, err),
			"the queue's store is full: wait until jobs are done, or give it more room")
	}
	return fault.New(fault.Unavailable, "%s: %w", doing, err)
}

// insufficientResources is the server's code where all its streams together are too
// large; nats.go does not name it.
const insufficientResources jetstream.ErrorCode = 10023

// full reports whether the server keeps no more because of a limit on its store. For
// that of one stream it has no code, only the words of server/store.go.
func full(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == insufficientResources || strings.Contains(api.Description, "maximum bytes exceeded"))
}

// refused reports whether the server answered and would not, other than that there is
// no such stream.
func refused(err error) bool {
	_, answered := errors.AsType[*jetstream.APIError](err)
	return answered && !errors.Is(err, jetstream.ErrStreamNotFound)
}

// isThere reports whether the server refused a job because one of its ID is there.
func isThere(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// inProcess is the server's code, on a cluster, where a job of the same ID has come
// and is not on enough disks yet; nats.go does not name it.
const inProcess jetstream.ErrorCode = 10158

func isInProcess(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == inProcess
}
