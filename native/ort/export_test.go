package ort

// Plan reads a model's header and says how it would be fed.
func Plan(onnx []byte, cfg Config) (Info, error) {
	s, err := describe(onnx)
	if err != nil {
		return Info{}, err
	}
	return plan(s, cfg)
}

// Alone reports whether a lone patch is run by itself.
func (m *Model) Alone() bool { return m.alone }
