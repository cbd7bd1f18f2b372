package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"bcc/capacity"
	"bcc/client"
	"bcc/fault"
	"bcc/model"
)

// work finds out what is to be done. left says which of the slides that were named could
// not be read; they are not planned for.
func (f *planFlags) work(ctx context.Context, b *model.Bundle, fleet client.Fleet, std Streams) (w capacity.Work, left error, err error) {
	if f.slides == "" {
		w, err = backlog(fleet)
		return w, nil, err
	}
	walk, err := f.walkOf(b)
	if err != nil {
		return w, nil, err
	}
	patch := capacity.Patch{UM: float64(walk.Patch.SizePx) * walk.Patch.MPP, Overlap: f.overlap}
	tissue := capacity.UsualTissue()
	if f.tissue > 0 {
		tissue = capacity.Tissue{Part: f.tissue}
	}
	if n, err := strconv.Atoi(f.slides); err == nil {
		w, err = capacity.Usual(n, patch, tissue)
		return w, nil, err
	}
	if sizes, is, err := f.table(); is || err != nil {
		if err == nil {
			w, err = capacity.Sized(sizes, patch, tissue)
		}
		return w, nil, err
	}
	l := looking{walk: walk, left: leftOut{why: "no size could be read", note: func(line string) { fmt.Fprintln(std.Err, "bcc: "+printable(line)) }}}
	if err := l.list(ctx, f.slides); err != nil {
		return w, nil, err
	}
	if err := l.tissue(ctx, f.look); err != nil {
		return w, nil, err
	}
	if len(l.sizes) == 0 {
		return w, nil, l.left.err()
	}
	if part, is := capacity.Found(l.seen, patch); is && f.tissue == 0 {
		tissue = part
	}
	w, err = capacity.Sized(l.sizes, patch, tissue)
	return w, l.left.err(), err
}

// table reads the sizes out of a table that tells them; false: --slides is none.
func (f *planFlags) table() ([]capacity.Size, bool, error) {
	if !strings.EqualFold(filepath.Ext(f.slides), ".csv") {
		return nil, false, nil
	}
	file, err := openTable(f.slides)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	if !capacity.IsSizes(capacity.HeadLine(file)) {
		return nil, false, nil
	}
	if _, err := file.Seek(0, 0); err != nil {
		return nil, false, fault.New(fault.Unavailable, "read %s: %w", f.slides, err)
	}
	sizes, err := capacity.ReadSizes(file, f.slides, f.mpp)
	return sizes, true, err
}
