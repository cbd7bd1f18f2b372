package report

import (
	"fmt"
	"io"

	"bcc/fault"
)

// Write makes dir where it is missing and writes the whole set into it, in place
// of an older one. After an error, or a kill at any moment, dir holds either no
// result.json or a whole set with it. A full disk is Unavailable; a folder that
// another run writes into at this moment is Busy and left alone.
//
// Until all files lie on the disk under temporary names, an older set stands
// untouched. Then its result.json goes first and the new one comes last: an error
// between the two leaves the other files without one, older and newer, for the next
// run to replace. Where there was no older set, an error leaves nothing behind; a
// kill may leave temporary files, which the next run clears away, and files without
// a result.json.
//
// The pictures and tables are the same to the byte for the same input; nothing
// holds a time or a path, timing.json apart.
func Write(dir string, in Input) error {
	return write(osDisk{}, dir, in)
}

func write(d disk, dir string, in Input) error {
	files, err := in.files()
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if in.Passing {
		d = passing{d}
	}
	err = save(d, dir, files)
	if fault.Of(err) == fault.Busy {
		return fmt.Errorf("write report into %s: %w", dir, err)
	}
	if err != nil {
		return fault.New(fault.Unavailable, "write report into %s: %w", dir, err)
	}
	return nil
}

// file is one file of the set, and what writes its content.
type file struct {
	name  string
	write func(io.Writer) error
}

// files prepares the set in the order of writing: what can go wrong without a
// disk does so here.
func (in Input) files() ([]file, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	result, err := in.Result.encode()
	if err != nil {
		return nil, err
	}
	small := shrink(in.Overview)
	in.Timing.FormatVersion = FormatVersion
	timing, err := indented(in.Timing)
	if err != nil {
		return nil, fmt.Errorf("timing: %w", err)
	}
	threshold, heat := in.Result.Parameters.LesionThreshold, heatOf(in.Result.Model)
	return []file{
		{TimingFile, bytesTo(timing)},
		{PatchesFile, func(w io.Writer) error { return writePatches(w, in.Grid, heat.Column, in.Probs) }},
		{LesionsFile, func(w io.Writer) error { return writeLesions(w, in.Answer.Lesions) }},
		{HeatmapFile, func(w io.Writer) error { return writeHeatmap(w, small, in.Answer, in.Grid.MPP, heat.Name, threshold) }},
		{PageFile, func(w io.Writer) error { return writePage(w, in, small) }},
		{ResultFile, bytesTo(result)}, // last: see set
	}, nil
}

// save writes the files as one set.
func save(d disk, dir string, files []file) error {
	s, err := newSet(d, dir)
	if err != nil {
		return err
	}
	whole := false
	defer func() { s.close(whole) }() // also when a writer panics
	if err := s.add(files); err != nil {
		return err
	}
	if err := s.commit(); err != nil {
		return err
	}
	whole = true
	return nil
}

func bytesTo(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// validate refuses what the caller cannot have meant.
func (in Input) validate() error {
	switch {
	case in.Answer == nil || in.Answer.Heatmap == nil:
		return fault.New(fault.Internal, "no answer")
	case in.Grid == nil || in.Grid.Len() != len(in.Probs):
		return fault.New(fault.Internal, "the grid does not fit %d probabilities", len(in.Probs))
	case in.Overview == nil || in.Overview.Image == nil || in.Overview.W <= 0 || in.Overview.H <= 0 ||
		len(in.Overview.Pix) != 3*in.Overview.W*in.Overview.H:
		return fault.New(fault.Internal, "no overview")
	case !(in.Overview.ScaleX > 0) || !(in.Overview.ScaleY > 0):
		return fault.New(fault.Internal, "overview of scale %v, %v", in.Overview.ScaleX, in.Overview.ScaleY)
	}
	return nil
}
