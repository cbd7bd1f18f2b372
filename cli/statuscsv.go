package cli

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"bcc/client"
)

// slideColumns are those of the CSV that the page saves, in its order.
var slideColumns = []string{"id", "name", "state", "prediction", "score", "confidence", "lesions", "patches", "label", "sha256", "took_s", "degraded", "error"}

// slidesCSV writes a line a slide, page by page as the server gives them.
func slidesCSV(ctx context.Context, c *client.Client, id string, out io.Writer) error {
	w := csv.NewWriter(out)
	head := false
	for s, err := range c.Slides(ctx, id) {
		if err != nil {
			w.Flush()
			return err
		}
		if !head { // not before the server has said that there is such a cohort
			head = true
			if err := w.Write(slideColumns); err != nil {
				return unwritten(err)
			}
		}
		if err := w.Write(slideRow(s)); err != nil {
			return unwritten(err)
		}
	}
	if w.Flush(); w.Error() != nil {
		return unwritten(w.Error())
	}
	return nil
}

func slideRow(s client.Slide) []string {
	why := ""
	if s.Error != nil {
		why = s.Error.Message
	}
	return []string{
		s.ID, cellText(s.Name), s.State, ifKnown(s.Prediction, cellText), ifKnown(s.Score, decimal), ifKnown(s.Confidence, decimal), ifKnown(s.Lesions, strconv.Itoa),
		strconv.Itoa(s.Patches), ifKnown(s.Label, strconv.Itoa), ifKnown(s.SHA256, cellText), ifKnown(s.TookS, decimal), cellText(strings.Join(s.Degraded, "; ")), cellText(why),
	}
}

// ifKnown is a value in words, empty where nothing is known.
func ifKnown[T any](v *T, words func(T) string) string {
	if v == nil {
		return ""
	}
	return words(*v)
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// cellText keeps spreadsheets from taking a name for a formula.
func cellText(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
