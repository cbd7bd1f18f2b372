package blob

import (
	"strings"

	"bcc/fault"
)

// An object's key fits S3 (1,024 bytes) below any prefix we are given, and a part
// of it fits a file system's name (255 bytes) with room for a temporary ending.
const (
	maxKey  = 768 // bytes
	maxPart = 200 // bytes
	keptKey = 40  // bytes that Spool puts before a key
)

// CheckKey returns Invalid for what cannot be an object's key. What it lets through
// stays inside the folder or prefix it is appended to.
func CheckKey(key string) error { return checkKey(key, maxKey) }

func checkKey(key string, longest int) error {
	if len(key) > longest {
		return fault.New(fault.Invalid, "key of %d bytes, want at most %d", len(key), longest)
	}
	for part := range strings.SplitSeq(key, "/") {
		switch {
		case part == "":
			return fault.New(fault.Invalid, "key %.80q: a part of it is empty", key)
		case part[0] == '.':
			return fault.New(fault.Invalid, "key %.80q: a part of it begins with a dot", key)
		case len(part) > maxPart:
			return fault.New(fault.Invalid, "key %.80q: a part of it has %d bytes, want at most %d", key, len(part), maxPart)
		}
		for _, c := range []byte(part) {
			if !keyByte(c) {
				return fault.New(fault.Invalid, "key %.80q: %q is not allowed, only letters, digits, dots, - and _", key, c)
			}
		}
	}
	return nil
}

func keyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_'
}

// checkPrefix is CheckKey for the beginning of a key: nothing, or one that ends
// anywhere in it.
func checkPrefix(prefix string) error {
	whole := strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return nil
	}
	return checkKey(whole, maxKey)
}
