package cli

import (
	"encoding/json"
	"io"
	"path/filepath"

	"bcc/detect"
	"bcc/fault"
	"bcc/report"
)

// endJSON is a line of --json.
type endJSON struct {
	Slide  string         `json:"slide"`
	Status detect.Status  `json:"status"`
	TookS  float64        `json:"took_s"`
	Dir    string         `json:"dir,omitempty"`
	Bag    string         `json:"bag,omitempty"`
	Count  *int           `json:"patches,omitempty"` // of a bag; a result has its own
	Error  *errorJSON     `json:"error,omitempty"`
	Result *report.Result `json:"result,omitempty"`
}

type errorJSON struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func printEnds(w io.Writer, ends []detect.End) error {
	enc := json.NewEncoder(w)
	for _, e := range ends {
		line := endJSON{Slide: e.Name, Status: e.Status, TookS: e.Took.Seconds()}
		if e.Status == detect.Waiting {
			continue
		}
		if e.Status == detect.Failed {
			line.Error = &errorJSON{Kind: fault.Of(e.Err).String(), Message: e.Err.Error(), Hint: fault.HintOf(e.Err)}
		} else if e.Result != nil {
			line.Dir, line.Result = filepath.ToSlash(e.Dir), e.Result
		} else if e.Status == detect.Done || e.Status == detect.Skipped {
			line.Bag, line.Count = filepath.ToSlash(e.Bag), &e.Patches
		}
		if err := enc.Encode(line); err != nil {
			return unwritten(err)
		}
	}
	return nil
}
