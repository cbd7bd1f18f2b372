package lifeline

// Parse reads one message and says whether it can be sent on.
func Parse(line []byte) (ok bool, fits bool) {
	m, err := parse(line)
	return err == nil, len(m.Why) < 2000 && len(m.Host) < 2000
}

// Die cuts the line as the death of the process would.
func (l *Line) Die() { l.hangUp() }
