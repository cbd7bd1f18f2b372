package aggregate

// Prediction is what a slide is called. It is never a diagnosis.
type Prediction string

// The three predictions, as they stand in result.json.
const (
	BCC           Prediction = "BCC"
	NonMalignant  Prediction = "Non-malignant"
	Indeterminate Prediction = "Indeterminate"
)

// Decide calls a slide of the given score. Within the abstention band it is
// Indeterminate; otherwise BCC from the threshold on. The confidence is the
// score for BCC, one minus the score for Non-malignant, and the larger of both
// for Indeterminate.
func Decide(score float64, cfg Config) (Prediction, float64) {
	lo, hi := cfg.Abstain[0], cfg.Abstain[1]
	switch {
	case lo < hi && score >= lo && score <= hi:
		return Indeterminate, round4(max(score, 1-score))
	case score >= cfg.Threshold:
		return BCC, score
	default:
		return NonMalignant, round4(1 - score)
	}
}
