package report

import (
	"fmt"
	"strconv"
	"strings"

	"bcc/aggregate"
)

// verdict says the prediction in a sentence that can be checked against the scale.
func verdict(r Result) (class, sentence string) {
	t, lo, hi := r.Parameters.Threshold, r.Parameters.Abstain[0], r.Parameters.Abstain[1]
	switch {
	case r.Tissue.Patches == 0:
		return "open", "No tissue was analysed. This says nothing about the slide."
	case r.Prediction == aggregate.Indeterminate:
		return "open", fmt.Sprintf("The slide score %.2f lies in the band from %.2f to %.2f, in which the program does not decide. A person has to.", r.Score, lo, hi)
	case r.Prediction == aggregate.BCC:
		return "yes", fmt.Sprintf("The slide score %.2f reaches the operating point %.2f.", r.Score, t)
	default:
		return "no", fmt.Sprintf("The slide score %.2f lies below the operating point %.2f. This does not exclude a carcinoma.", r.Score, t)
	}
}

// mm2 gives small areas the decimals they need.
func mm2(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// count writes n in groups of three, which a thin space keeps apart.
func count(n int) string {
	s := strconv.Itoa(n)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && c != '-' && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteRune('\u202f')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// metric writes a figure as a page shows it: with interval, set and counts where
// they are known.
func metric(m *Metric) string {
	if m == nil {
		return "not measured"
	}
	s := strconv.FormatFloat(m.Value, 'f', 2, 64)
	if m.Low != 0 || m.High != 0 {
		s += fmt.Sprintf(" (95 %% interval %.2f to %.2f)", m.Low, m.High)
	}
	if m.Set != "" {
		s += " on " + m.Set
	}
	switch {
	case m.Slides > 0 && m.Patients > 0:
		s += fmt.Sprintf(", %d slides of %d patients", m.Slides, m.Patients)
	case m.Slides > 0:
		s += fmt.Sprintf(", %d slides", m.Slides)
	}
	return s
}
