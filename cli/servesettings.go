package cli

import (
	"github.com/spf13/pflag"

	"bcc/cohort"
)

// settings are what this command line sets for slides whose client says nothing. They
// go into each order, because workers elsewhere have command lines of their own.
func (f *serveFlags) settings(set *pflag.FlagSet) (p cohort.Parameters) {
	if set.Changed("threshold") {
		p.Threshold = &f.threshold
	}
	if set.Changed("overlap") {
		p.Overlap = &f.overlap
	}
	if set.Changed("min-tissue") {
		p.MinTissue = &f.minTissue
	}
	return p
}
