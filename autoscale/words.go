package autoscale

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// plural returns "1 worker", "2 workers", "no workers".
func plural(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return number(float64(n)) + " " + what + "s"
}

// number returns a whole number with commas: 412,000.
func number(v float64) string {
	digits := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// clock returns when t is, as briefly as the day allows.
func clock(t, now time.Time) string {
	if t.Sub(now) < 24*time.Hour && t.YearDay() == now.YearDay() {
		return t.Format("15:04")
	}
	return t.Format("Jan 2 15:04")
}

// lasting returns a time as people say it: "40 s", "9 min", "3.5 h".
func lasting(seconds float64) string {
	switch {
	case seconds < 100:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 100*60:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}
