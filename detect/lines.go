package detect

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"bcc/fault"
)

// maxManifestLine bounds the memory a manifest costs, whatever stands in it.
const maxManifestLine = 64 << 10

// errUnreadable ends the reading: what follows would be misread.
type errUnreadable struct{ error }

func (e errUnreadable) Unwrap() error { return e.error }

// readLines hands each line that is not empty to parse and what it finds to yield.
func readLines(r io.Reader, yield func(Item) error, parse func(line string) (item Item, is bool, err error)) error {
	var wrong problems
	found := false
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxManifestLine)
	number := 0
	for in.Scan() {
		number++
		line := in.Text()
		if number == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // a spreadsheet's byte order mark
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		item, is, err := parse(line)
		if err != nil {
			err = fault.New(fault.Invalid, "line %d: %w", number, err)
			if _, end := errors.AsType[errUnreadable](err); end {
				return err
			}
			wrong.add(err)
			continue
		}
		if !is {
			continue
		}
		found, item.Line = true, number
		if err := yield(item); err != nil {
			return err
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return errors.Join(wrong.err(), fault.New(fault.Invalid, "line %d is longer than %d bytes, it and what follows is not read", number+1, maxManifestLine))
	case err != nil:
		return errors.Join(wrong.err(), fault.New(fault.Unavailable, "read after line %d: %w", number, err))
	case !found && wrong.none():
		return fault.Hint(fault.New(fault.Invalid, "it names no slide"), "write one path a line, or a CSV with a column called path")
	}
	return wrong.err()
}

// csvLine splits lines of CSV one by one: a quote left open spoils its own line
// and not the rest of the file.
type csvLine struct {
	line strings.Reader
	in   *csv.Reader
}

// split returns the cells of a line, valid until the next call.
func (c *csvLine) split(line string) ([]string, error) {
	if c.in == nil {
		c.in = csv.NewReader(&c.line)
		c.in.FieldsPerRecord = -1
		c.in.ReuseRecord = true
		c.in.TrimLeadingSpace = true
	}
	c.line.Reset(line)
	record, err := c.in.Read()
	if parse, ok := errors.AsType[*csv.ParseError](err); ok { // its line is not the file's
		return nil, fault.Hint(fault.New(fault.Invalid, "column %d: %w", parse.Column, parse.Err), "a quoted cell ends on its line, and a quote in it is written twice")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "%w", err)
	}
	return record, nil
}
