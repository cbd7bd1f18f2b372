package cli

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bcc/autoscale"
	"bcc/cohort"
	"bcc/fault"
)

// kindsFlag are kinds of workers, one each time --kind is given:
// name=NAME,rate=PATCHES_PER_S,usd=USD_PER_HOUR,start=TIME,min=N,max=N,spot.
type kindsFlag struct{ said []string }

const kindUsage = "a kind of worker: name=NAME[,rate=PATCHES_PER_S][,usd=USD_PER_HOUR][,start=TIME][,min=N][,max=N][,spot]; once for each kind"

// Type is of pflag.Value.
func (f *kindsFlag) Type() string { return "kind" }

func (f *kindsFlag) String() string { return strings.Join(f.said, " ") }

// Set adds a kind. Of pflag.Value.
func (f *kindsFlag) Set(text string) error {
	if _, err := parseKind(text, autoscale.Kind{}); err != nil {
		return err
	}
	f.said = append(f.said, text)
	return nil
}

// kinds returns them; what was not said of one is as in base.
func (f *kindsFlag) kinds(base autoscale.Kind) ([]autoscale.Kind, error) {
	var all []autoscale.Kind
	for _, text := range f.said {
		base.Name = ""
		k, err := parseKind(text, base)
		if err == nil && slices.ContainsFunc(all, func(had autoscale.Kind) bool { return had.Name == k.Name }) {
			err = fault.New(fault.Invalid, "kind %s is given twice", k.Name)
		}
		if err == nil && k.Max < max(k.Min, 1) {
			err = fault.New(fault.Invalid, "kind %s: min=%d,max=%d: want a max of 1 or more that is not below min", k.Name, k.Min, k.Max)
		}
		if err != nil {
			return nil, fault.New(fault.Of(err), "--kind: %w", err)
		}
		all = append(all, k)
	}
	return all, nil
}

// describeKind writes a kind as it can be given.
func describeKind(k autoscale.Kind) string {
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	s := "name=" + k.Name + ",rate=" + number(k.PatchesPerS) + ",usd=" + number(k.USDPerHour) + ",start=" + k.StartUp.String() +
		",min=" + strconv.Itoa(k.Min) + ",max=" + strconv.Itoa(k.Max)
	if k.Spot {
		s += ",spot"
	}
	return s
}

// parseKind reads one kind; base is what is not said.
func parseKind(text string, base autoscale.Kind) (autoscale.Kind, error) {
	k := base
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, valued := strings.Cut(strings.TrimSpace(part), "=")
		if seen[key] {
			bad("%s is given twice", key)
		}
		seen[key] = true
		var err error
		switch key {
		case "name":
			k.Name = value
		case "rate":
			k.PatchesPerS, err = amount(value)
		case "usd":
			k.USDPerHour, err = amount(value)
		case "start":
			k.StartUp, err = time.ParseDuration(value)
			if err == nil && k.StartUp < 0 {
				err = errors.New("want 0 or more")
			}
		case "min":
			k.Min, err = wholeNumber(value)
		case "max":
			k.Max, err = wholeNumber(value)
		case "spot":
			k.Spot = true
			if valued {
				k.Spot, err = strconv.ParseBool(value)
			}
		default:
			bad("unknown %.40q: want name=, rate=, usd=, start=, min=, max=, spot", key)
		}
		if err != nil {
			bad("%s=%.40s: %w", key, value, err)
		}
	}
	switch {
	case len(errs) == 0 && k.Name == "":
		bad("no name=")
	case len(errs) == 0 && !cohort.ValidKind(k.Name):
		bad("name=%.70s: want up to 63 letters, digits, dots, dashes, underscores", k.Name)
	}
	return k, errors.Join(errs...)
}

// amount reads a number that is 0 or more and has an end.
func amount(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
		return 0, errors.New("want a number, 0 or more")
	}
	return x, nil
}

// maxOfKind bounds how many workers of a kind may be wanted.
const maxOfKind = 100_000

func wholeNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxOfKind {
		return 0, errors.New("want a whole number, 0 to 100000")
	}
	return n, nil
}
