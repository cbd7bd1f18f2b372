package worker

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"bcc/cohort"
	"bcc/fault"
	"bcc/fetch"
	"bcc/slide"
)

// maxPause is the longest time between two attempts.
const maxPause = time.Minute

// retries reports whether the same work may succeed later: the table of fault says so.
func retries(err error) bool { return fault.Of(err).Meaning().Retry }

// What failed because the store does not answer, or is full, and because this machine
// has no room or no device any more: no fault of the slide, and no attempt at it.
var (
	errAway = errors.New("the store is not there")
	errHere = errors.New("this machine cannot do it now")
)

// ofStore marks err where the store is away. A nil err stays nil.
func ofStore(err error) error { return unavailable(err, errAway) }

// ofMachine marks err, met after the slide was opened, where something of this machine
// is full or gone. A nil err stays nil.
func ofMachine(err error) error {
	if errors.Is(err, errAway) || blamed(err) { // a machine that is full may have ended its reader; a slide that fills machines, too
		return err
	}
	return unavailable(err, errHere)
}

func unavailable(err, mark error) error {
	if err == nil || fault.Of(err) != fault.Unavailable {
		return err
	}
	return marked{err, mark}
}

type marked struct {
	error
	mark error
}

func (m marked) Unwrap() error        { return m.error }
func (m marked) Is(target error) bool { return target == m.mark }

// awayWords are said while the store is away: until it has answered, or for so long
// after it was asked the last time.
const (
	awayWords   = "the store does not answer: slides wait"
	astrayWords = "a worker has another store than the server: it takes no slides"
	awayFor     = 30 * time.Second
)

// pause returns how long to wait after the attempt, from 1: twice as long after each,
// and never the same for two slides that failed together.
func pause(base time.Duration, attempt int) time.Duration {
	d := base
	for range min(attempt, 30) - 1 {
		d = min(2*d, maxPause)
	}
	d = min(d, maxPause)
	return d/2 + rand.N(d/2+1)
}

// inWords puts errors into the words of the API where a lower room has those of the
// command line.
func inWords(err error) error {
	if errors.Is(err, slide.ErrNoMPP) {
		return fault.Hint(fault.New(fault.Invalid, "%w", err), "give the scale of level 0 in µm per pixel as mpp_um, for example 0.5")
	}
	return err
}

// problem says why a slide has no result.
func problem(err error) cohort.Problem {
	kind := fault.Of(err)
	code := kind.Meaning().Status
	if errors.Is(err, fetch.ErrRefused) {
		code = http.StatusForbidden
	}
	return cohort.Problem{Kind: kind.String(), Code: code, Message: err.Error(), Hint: fault.HintOf(err)}
}
