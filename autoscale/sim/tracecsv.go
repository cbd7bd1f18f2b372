package sim

import (
	"strings"
	"time"

	"bcc/fault"
)

// plainCSV is ours, for whoever has a trace of another form.
var plainCSV = Format{
	Name:  "csv",
	About: "arrival_s,patches[,deadline_s[,urgent]]: seconds since the trace began, size, seconds from arrival until it is wanted (empty: no deadline), 1 for the urgent lane",
	head:  []string{"arrival_s", "patches"},
	more:  []string{"deadline_s", "urgent"},
	row: func(_ *table, row []string) (Job, error) {
		var j Job
		var err error
		if j.Arrival, err = moment("arrival_s", row[0]); err != nil {
			return Job{}, err
		}
		if j.Patches, err = count("patches", row[1]); err != nil {
			return Job{}, err
		}
		if len(row) > 2 && strings.TrimSpace(row[2]) != "" {
			var within time.Duration
			if within, err = moment("deadline_s", row[2]); err != nil {
				return Job{}, err
			}
			if within == 0 {
				return Job{}, fault.New(fault.Invalid, "deadline_s 0: it counts from the arrival, so that is when it came")
			}
			j.Deadline = j.Arrival + within
		}
		if len(row) > 3 {
			if j.Urgent, err = truth("urgent", row[3]); err != nil {
				return Job{}, err
			}
		}
		return j, nil
	},
}

func truth(column, text string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "1", "true", "urgent":
		return true, nil
	case "0", "false", "routine", "":
		return false, nil
	}
	return false, fault.New(fault.Invalid, "%s %q: 1 or 0", column, shorten(text))
}
