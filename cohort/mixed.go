package cohort

// mostMixed is of how many versions and models it is said that they are at work at once.
const mostMixed = 32

// makeOf is what a worker makes results with: they are kept by both, so results of one
// make are never given for those of another.
type makeOf struct{ version, model string }

// mixed says once of a make that it is at work beside another: a slide's answer is then
// that of whoever takes it, as its result says. The caller holds mu.
func (l *Ledger) mixed(w WorkerState) {
	of := makeOf{w.Version, w.ModelSHA256}
	if l.makes[of] || len(l.makes) >= mostMixed {
		return
	}
	for _, other := range l.workers {
		is := makeOf{other.Version, other.ModelSHA256}
		if is == of {
			continue
		}
		if l.makes == nil {
			l.makes = map[makeOf]bool{}
		}
		l.makes[of], l.makes[is] = true, true
		l.log.Warn("workers of several versions or models are at work: each slide is looked at by whoever takes it, and its result says with what",
			"version", w.Version, "model", w.Model, "beside_version", other.Version, "beside_model", other.Model,
			"hint", "an upgrade is not through yet, or a worker was started with another --model: GET /machine names them")
		return
	}
}
