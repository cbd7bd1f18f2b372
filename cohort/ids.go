package cohort

import (
	"crypto/rand"
	"encoding/base32"
	"strconv"
	"strings"

	"bcc/fault"
)

// An ID is c and idLetters of lower-case base32: 125 random bits, which nobody guesses.
const idLetters = 25

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewID returns an identity that no other cohort has.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return "c" + letters.EncodeToString(b[:])[:idLetters]
}

// ValidID reports whether id has the form of a cohort's identity.
func ValidID(id string) bool {
	if len(id) != 1+idLetters || id[0] != 'c' {
		return false
	}
	return strings.Trim(id[1:], "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// SlideID returns the identity of the slide at index, from 0, of a cohort.
func SlideID(cohort string, index int) string { return cohort + "-" + strconv.Itoa(index) }

// ParseSlideID is the way back from SlideID. What it cannot have made is NotFound.
func ParseSlideID(id string) (cohort string, index int, err error) {
	cohort, digits, _ := strings.Cut(id, "-")
	index, err = strconv.Atoi(digits)
	if err != nil || !ValidID(cohort) || index < 0 || SlideID(cohort, index) != id {
		return "", 0, fault.New(fault.NotFound, "there is no such slide")
	}
	return cohort, index, nil
}

func noCohort(id string) error {
	if !ValidID(id) {
		return fault.New(fault.NotFound, "there is no such cohort") // id may be anything: it is not repeated
	}
	return fault.New(fault.NotFound, "there is no cohort %s", id)
}

// validSHA256 reports whether s is a digest in lower-case hex.
func validSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
