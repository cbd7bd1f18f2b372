package train

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"

	"bcc/disk"
)

// WriteHistory writes one line an epoch as CSV. What was not measured is empty.
func WriteHistory(path string, history []Epoch) error {
	return disk.Replace(path, func(w io.Writer) error {
		c := csv.NewWriter(w)
		_ = c.Write([]string{"epoch", "step", "loss", "val_loss", "val_auroc", "lr", "seconds", "samples_per_second", "best"})
		for _, e := range history {
			_ = c.Write([]string{
				strconv.Itoa(e.Epoch + 1), strconv.Itoa(e.Steps),
				figure(e.Loss, 6), figure(e.Validation.Loss, 6), figure(e.Validation.AUROC, 6), figure(e.Rate, 4),
				strconv.FormatFloat(e.Seconds, 'f', 2, 64), strconv.FormatFloat(float64(e.Samples)/e.Seconds, 'f', 1, 64),
				strconv.FormatBool(e.Best),
			})
		}
		c.Flush()
		return c.Error() // the first of all writes
	})
}

func figure(v float64, digits int) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', digits, 64)
}
