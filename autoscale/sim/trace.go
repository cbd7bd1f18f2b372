package sim

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"bcc/fault"
)

// Format reads one form of trace.
type Format struct {
	Name  string
	About string // what its columns become, one line
	head  []string
	more  []string // columns that may follow, in this order
	row   func(t *table, row []string) (Job, error)
	loose bool // rows need not be in the order of arrival
}

// Formats are all that can be read.
var Formats = []Format{azureLLM, azureFunctions, plainCSV}

// FormatOf returns the format of a name.
func FormatOf(name string) (Format, error) {
	var names []string
	for _, f := range Formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fault.Hint(fault.New(fault.Invalid, "format %q: there is none of that name", name), "formats: %s", strings.Join(names, ", "))
}

// Limits of a trace: what a day of the largest laboratory has many times over.
const (
	maxJobs       = 20_000_000
	maxJobPatches = 1_000_000_000
)

// ReadOptions say what a trace leaves open.
type ReadOptions struct {
	Reference float64 // patches per second of the worker whose seconds azure-functions counts
}

// table is a trace while it is read.
type table struct {
	opt   ReadOptions
	zero  time.Time // the first row's, where rows have dates
	begun bool
}

// Read reads a trace row by row. A row that is broken, and time that runs backwards, is
// a fault of kind Invalid that names the line. The result is in the order of arrival,
// and its times count from the beginning of the trace.
func (f Format) Read(from io.Reader, opt ReadOptions) ([]Job, error) {
	rows := csv.NewReader(from)
	rows.ReuseRecord = true
	rows.FieldsPerRecord = -1 // counted here, with words
	rows.TrimLeadingSpace = true
	columns, err := f.readHead(rows)
	if err != nil {
		return nil, err
	}
	t := table{opt: opt}
	var jobs []Job
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, unreadable(err)
		}
		line, _ := rows.FieldPos(0)
		if len(row) != columns {
			return nil, broken(line, "%d columns, where the first line has %d", len(row), columns)
		}
		j, err := f.row(&t, row)
		if err != nil {
			return nil, fault.Hint(fault.New(fault.Invalid, "line %d: %w", line, err), "the columns are %s", f.columns())
		}
		if n := len(jobs); n > 0 && !f.loose && j.Arrival < jobs[n-1].Arrival {
			return nil, fault.Hint(fault.New(fault.Invalid, "line %d: time runs backwards: %s after %s", line, seconds(j.Arrival), seconds(jobs[n-1].Arrival)),
				"sort the rows by their time")
		}
		if len(jobs) == maxJobs {
			return nil, fault.New(fault.Invalid, "line %d: more than %d rows", line, maxJobs)
		}
		jobs = append(jobs, j)
	}
	if len(jobs) == 0 {
		return nil, fault.Hint(fault.New(fault.Invalid, "the trace has no rows"), "a row a job: %s", f.columns())
	}
	if f.loose {
		slices.SortStableFunc(jobs, func(a, b Job) int { return cmp.Compare(a.Arrival, b.Arrival) })
	}
	return jobs, nil
}

// readHead reads the first line, which names the columns, and returns how many there
// are. It is how a file of another format is told before it is misread.
func (f Format) readHead(rows *csv.Reader) (columns int, err error) {
	row, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return 0, fault.Hint(fault.New(fault.Invalid, "the trace is empty"), "its first line is %s", strings.Join(f.head, ","))
	}
	if err != nil {
		return 0, unreadable(err)
	}
	want := slices.Concat(f.head, f.more)
	ok := len(row) >= len(f.head) && len(row) <= len(want)
	for i := 0; ok && i < len(row); i++ {
		ok = strings.EqualFold(strings.TrimSpace(strings.TrimPrefix(row[i], "\ufeff")), want[i])
	}
	if ok {
		return len(row), nil
	}
	err = fault.New(fault.Invalid, "line 1: %q is not the first line of %s", shorten(strings.Join(row, ",")), f.Name)
	for _, other := range Formats {
		if other.Name != f.Name && len(row) >= len(other.head) && strings.EqualFold(row[0], other.head[0]) {
			return 0, fault.Hint(err, "it looks like --format %s", other.Name)
		}
	}
	return 0, fault.Hint(err, "the first line names the columns: %s", f.columns())
}

// columns names them for a person: those that may be left out in brackets.
func (f Format) columns() string {
	s := strings.Join(f.head, ",")
	for _, m := range f.more {
		s += "[," + m
	}
	return s + strings.Repeat("]", len(f.more))
}

func unreadable(err error) error {
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		return fault.Hint(fault.New(fault.Invalid, "line %d: %w", bad.Line, bad.Err), "mend or remove the line")
	}
	return fault.New(fault.Unavailable, "read: %w", err)
}

func broken(line int, format string, args ...any) error {
	return fault.Hint(fault.New(fault.Invalid, "line %d: %s", line, fmt.Sprintf(format, args...)), "mend or remove the line")
}

// number reads one that is not negative.
func number(column, text string, most float64) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) {
		return 0, fault.New(fault.Invalid, "%s %q is no number", column, shorten(text))
	}
	if v < 0 || v > most {
		return 0, fault.New(fault.Invalid, "%s %s: 0 to %g", column, shorten(text), most)
	}
	return v, nil
}

// count reads how many patches there are; a job has at least one.
func count(column, text string) (int, error) {
	v, err := number(column, text, maxJobPatches)
	if err != nil {
		return 0, err
	}
	if v < 1 {
		return 0, fault.New(fault.Invalid, "%s %s: at least 1", column, shorten(text))
	}
	return int(math.Ceil(v)), nil
}

// moment reads seconds since the trace began.
func moment(column, text string) (time.Duration, error) {
	v, err := number(column, text, maxHorizon.Seconds())
	return time.Duration(v * float64(time.Second)), err
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s" }

func shorten(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}
