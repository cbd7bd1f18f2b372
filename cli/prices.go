package cli

import (
	"math"
	"strconv"
	"strings"

	"bcc/cohort"
	"bcc/fault"
)

// readPrices reads KIND=USD, what an hour of a worker of each kind costs.
func readPrices(list []string) (map[string]float64, error) {
	prices := map[string]float64{}
	for _, text := range list {
		kind, amount, _ := strings.Cut(text, "=")
		usd, err := strconv.ParseFloat(amount, 64)
		if err != nil || !(usd >= 0) || math.IsInf(usd, 0) || !cohort.ValidKind(kind) {
			return nil, fault.Hint(fault.New(fault.Invalid, "--price %q: want KIND=USD, 0 or more", text), "for example --price gpu=1.006")
		}
		if _, twice := prices[kind]; twice {
			return nil, fault.New(fault.Invalid, "--price %q: the kind has a price already", text)
		}
		prices[kind] = usd
	}
	return prices, nil
}
