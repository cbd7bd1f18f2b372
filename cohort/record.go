package cohort

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"bcc/blob"
	"bcc/fault"
)

// A record is one line of JSON and a second line with its digest. Records of before
// the second line was written are read as they are.
const sumMark = "\nsha256:"

func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v) // without line ends
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	text = append(text, sumMark...)
	text = hex.AppendEncode(text, sum[:])
	return append(text, '\n'), nil
}

// decode reads a record into v. Corrupt: it is damaged. Unsupported: it is whole,
// but of another version of the program; then v holds what could be read of it.
func decode(key string, record []byte, v any) error {
	text, tail, summed := bytes.Cut(record, []byte(sumMark))
	if summed {
		sum := sha256.Sum256(text)
		if string(bytes.TrimSuffix(tail, []byte("\n"))) != hex.EncodeToString(sum[:]) {
			return fault.New(fault.Corrupt, "object %s: it does not fit its checksum", key)
		}
	}
	var version struct {
		FormatVersion int `json:"format_version"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return fault.New(fault.Corrupt, "object %s: %w", key, err)
	}
	if version.FormatVersion < 1 {
		return fault.New(fault.Corrupt, "object %s: it has no format version", key)
	}
	err := json.Unmarshal(text, v)
	if version.FormatVersion != FormatVersion {
		return fault.New(fault.Unsupported, "object %s: format version %d, this program reads %d", key, version.FormatVersion, FormatVersion)
	}
	if err != nil {
		return fault.New(fault.Corrupt, "object %s: %w", key, err)
	}
	return nil
}

// create writes v where nothing lies yet; blob.ErrExists.
func (s shelf) create(ctx context.Context, key string, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	return s.store.Create(ctx, key, bytes.NewReader(b))
}

// put writes v in place of what lies there: for copies only.
func (s shelf) put(ctx context.Context, key string, v any) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	return s.store.Put(ctx, key, bytes.NewReader(b))
}

// read is decode of an object of at most limit bytes.
func (s shelf) read(ctx context.Context, key string, limit int64, v any) error {
	b, err := blob.Read(ctx, s.store, key, limit)
	if err != nil {
		return err
	}
	return decode(key, b, v)
}

// damaged and foreign report whether err says so of an object: bytes that nobody can
// read any more, or those of another version of the program.
func damaged(err error) bool { return err != nil && fault.Of(err) == fault.Corrupt }
func foreign(err error) bool { return err != nil && fault.Of(err) == fault.Unsupported }
