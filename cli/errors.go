package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"bcc/fault"
)

// printError prints err for a person: one line an error of a joined one, each
// followed by its own hint.
func printError(w io.Writer, err error) {
	for _, e := range flatten(err) {
		for line := range strings.SplitSeq(e.Error(), "\n") {
			fmt.Fprintf(w, "bcc: error: %s\n", printable(line))
		}
		if hint := fault.HintOf(e); hint != "" {
			fmt.Fprintf(w, "bcc: hint: %s\n", printable(hint))
		}
	}
}

// flatten returns the errors that errors.Join put together.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || !strings.Contains(err.Error(), "\n") {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// inUse gives an error of the command line's parser its kind.
func inUse(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	for _, start := range []string{"unknown command", "unknown flag", "accepts ", "requires "} {
		if strings.HasPrefix(err.Error(), start) {
			return fault.Hint(fault.New(fault.Invalid, "%w", err), "bcc --help lists the commands")
		}
	}
	return err
}

// printable replaces what would break a line or steer a terminal: names come from
// whoever named the files.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
