package model

import (
	"bytes"
	"encoding/json"
	"slices"

	"bcc/fault"
)

// Change is a field of card.json and its new value; nil takes the field out.
type Change struct {
	Field string
	Value any
}

// Amend returns card.json with fields changed and all others as they stand, in
// their order, those among them that this program does not know; new fields come
// last. What comes out is a card that ParseCard takes.
func Amend(card []byte, changes []Change) ([]byte, error) {
	names, values, err := fields(card)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "amend card: %w", err)
	}
	for _, c := range changes {
		at := slices.Index(names, c.Field)
		if c.Value == nil {
			if at >= 0 {
				names, values = slices.Delete(names, at, at+1), slices.Delete(values, at, at+1)
			}
			continue
		}
		raw, err := json.Marshal(c.Value)
		if err != nil {
			return nil, fault.New(fault.Internal, "amend card: %s: %w", c.Field, err)
		}
		if at < 0 {
			names, values = append(names, c.Field), append(values, raw)
		} else {
			values[at] = raw
		}
	}
	var flat, out bytes.Buffer
	flat.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			flat.WriteByte(',')
		}
		key, _ := json.Marshal(name) // a string always has JSON
		flat.Write(key)
		flat.WriteByte(':')
		flat.Write(values[i])
	}
	flat.WriteByte('}')
	if err := json.Indent(&out, flat.Bytes(), "", "  "); err != nil {
		return nil, fault.New(fault.Internal, "amend card: %w", err)
	}
	out.WriteByte('\n')
	if _, err := ParseCard(out.Bytes()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// fields returns the members of a JSON object in their order.
func fields(object []byte) (names []string, values []json.RawMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil { // the brace
		return nil, nil, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, nil, fault.New(fault.Corrupt, "no JSON object")
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, nil, err
		}
		names, values = append(names, name), append(values, raw)
	}
	return names, values, nil
}
