package client

import (
	"bufio"
	"bytes"
	"io"
	"strings"
)

// maxEvent bounds a line of a stream.
const maxEvent = 4 << 20

// readEvents hands each server-sent event to f (WHATWG HTML, 9.2), until the stream
// ends or f fails. id is the last one that came, of this event or of one before.
// Comments, the server's heartbeats, are passed over.
func readEvents(r io.Reader, f func(name, id string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	name, id := "message", ""
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if len(data) > 0 {
				if err := f(name, id, bytes.TrimSuffix(data, []byte("\n"))); err != nil {
					return err
				}
			}
			name, data = "message", nil
			continue
		}
		field, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "id":
			id = value
		case "data":
			data = append(append(data, value...), '\n')
		}
	}
	return lines.Err()
}
