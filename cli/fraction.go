package cli

import (
	"errors"
	"strconv"

	"github.com/spf13/pflag"
)

// fraction is the value of a flag that is a part of something: more than none of it.
type fraction float64

var _ pflag.Value = (*fraction)(nil)

// Set takes a number above 0 to 1.
func (f *fraction) Set(text string) error {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x > 0 && x <= 1) { // true for NaN
		return errors.New("want a number above 0 to 1")
	}
	*f = fraction(x)
	return nil
}

func (f *fraction) String() string { return strconv.FormatFloat(float64(*f), 'g', -1, 64) }

// Type is what help calls it.
func (f *fraction) Type() string { return "float" }
