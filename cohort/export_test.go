package cohort

import "time"

// RememberCaps says how long a desk goes by what it saw of a cap.
func (d *Desk) RememberCaps(t time.Duration) { d.below.memory = t }
