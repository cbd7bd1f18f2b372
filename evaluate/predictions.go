package evaluate

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bcc/fault"
)

// Prediction is one row of a predictions.csv: a sample, and the split it is of.
type Prediction struct {
	Sample
	Split string // empty: the file has no such column
}

// maxPredictions bounds what ReadPredictions takes in.
const maxPredictions = 10_000_000

// positiveLabels are the labels that count as positive, in small letters.
var positiveLabels = []string{"1", "bcc", "basal cell carcinoma", "carcinoma", "tumor", "tumour", "malignant", "positive"}

// ReadPredictions reads a CSV table with the columns path, label, group and score,
// and where they are there split and the column by. There are at most two labels;
// the positive one is positive or, where that is empty, a word for a carcinoma or
// 1. Every row needs a score from 0 to 1. What is wrong in a table is reported with
// its line, the first ten of it.
func ReadPredictions(r io.Reader, by, positive string) ([]Prediction, error) {
	text := bufio.NewReader(r)
	if mark, _ := text.Peek(3); string(mark) == "\ufeff" { // spreadsheets write one
		_, _ = text.Discard(3)
	}
	in := csv.NewReader(text)
	in.TrimLeadingSpace = true
	head, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, fault.Hint(fault.New(fault.Invalid, "read predictions: the file is empty"), "the first line names the columns: path,label,group,score")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "read predictions: %w", err)
	}
	column := func(name string) int { return slices.Index(head, name) }
	at := [4]int{column("path"), column("label"), column("group"), column("score")}
	if slices.Min(at[:]) < 0 {
		return nil, fault.Hint(fault.New(fault.Invalid, "read predictions: the columns path, label, group and score are needed, there are %q", head), "the first line names the columns")
	}
	split, part := column("split"), -1
	if by != "" {
		if part = column(by); part < 0 {
			return nil, fault.New(fault.Invalid, "read predictions: no column %q to group by, there are %q", by, head)
		}
	}
	var rows []Prediction
	var bad problems
	first := map[string]int{}
	labels := map[string]bool{}
	splits := groupSplits{}
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "read predictions: %w", err)
		}
		if len(rows) == maxPredictions {
			return nil, fault.New(fault.Invalid, "read predictions: more than %d rows", maxPredictions)
		}
		line, _ := in.FieldPos(0)
		p := Prediction{Sample: Sample{Name: cells[at[0]], Group: cells[at[2]]}}
		label := cells[at[1]]
		labels[label] = true
		p.Positive = label == positive || positive == "" && slices.Contains(positiveLabels, strings.ToLower(label))
		if p.Score, err = strconv.ParseFloat(cells[at[3]], 64); err != nil || !(p.Score >= 0 && p.Score <= 1) {
			bad.add("line %d: the score %.40q is no number from 0 to 1", line, cells[at[3]])
		}
		if label == "" {
			bad.add("line %d: no label", line)
		}
		if p.Group == "" {
			bad.add("line %d: no group (the patient, or what stands for one)", line)
		}
		if before := first[p.Name]; before > 0 {
			bad.add("line %d: %.80q stands in line %d already", line, p.Name, before)
		}
		first[p.Name] = line
		if split >= 0 {
			p.Split = cells[split]
			splits.add(p, line, &bad)
		}
		if part >= 0 {
			p.Part = cells[part]
		}
		rows = append(rows, p)
	}
	if len(rows) == 0 {
		bad.add("no rows")
	}
	if len(labels) > 2 {
		names := slices.Sorted(maps.Keys(labels))
		bad.add("%d labels, want two: %.40q", len(names), names[:min(len(names), 5)])
	}
	if len(rows) > 0 && positive != "" && !labels[positive] {
		bad.add("no label is %.40q, which shall be the positive one; there are %.40q", positive, slices.Sorted(maps.Keys(labels)))
	}
	return rows, bad.err("read predictions")
}

// groupSplits is the first row of each group, by its name.
type groupSplits map[string]struct {
	split string
	line  int // 0 once it was told
}

// add refuses a group in two splits: what is chosen on one would be measured on the
// same patient in the other.
func (g groupSplits) add(p Prediction, line int, bad *problems) {
	first, seen := g[p.Group]
	if !seen {
		first.split, first.line = p.Split, line
	}
	if first.split != p.Split && first.line > 0 && p.Group != "" {
		bad.add("line %d: group %.80q is of split %.40q here, of %.40q in line %d", line, p.Group, p.Split, first.split, first.line)
		first.line = 0
	}
	g[p.Group] = first
}

// WritePredictions writes a table that ReadPredictions reads, with the call of the
// operating point. by names the column of the samples' parts; empty: there is none.
func WritePredictions(w io.Writer, rows []Prediction, p Point, by string) error {
	out := csv.NewWriter(w)
	head := []string{"path", "label", "group", "split", "score", "called"}
	if by != "" {
		head = append(head, by)
	}
	if err := out.Write(head); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
	for _, r := range rows {
		label, called := "0", [...]string{Negative: "0", Positive: "1", Undecided: "indeterminate"}[p.Call(r.Score)]
		if r.Positive {
			label = "1"
		}
		cells := []string{r.Name, label, r.Group, r.Split, strconv.FormatFloat(r.Score, 'g', 9, 64), called} // nine digits hold a float32
		if by != "" {
			cells = append(cells, r.Part)
		}
		if err := out.Write(cells); err != nil {
			return fmt.Errorf("write predictions: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

// problems gathers what is wrong with a table, and tells the first ten.
type problems struct {
	told []error
	more int
}

func (p *problems) add(format string, args ...any) {
	if len(p.told) == 10 {
		p.more++
		return
	}
	p.told = append(p.told, fmt.Errorf(format, args...))
}

func (p *problems) err(doing string) error {
	if len(p.told) == 0 {
		return nil
	}
	if p.more > 0 {
		p.told = append(p.told, fmt.Errorf("and %d more", p.more))
	}
	return fault.New(fault.Invalid, "%s: %w", doing, errors.Join(p.told...))
}
