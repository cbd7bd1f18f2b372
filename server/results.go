package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"bcc/blob"
	"bcc/fault"
	"bcc/report"
)

// results reads the sets of files that workers keep: results/<key>/ in the store.
type results struct{ store blob.Store }

func newResults(s blob.Store) *results { return &results{s} }

const maxResultFile = 512 << 20 // bytes; the table of the largest slide of COBRA has 3 MB

// file returns a file of a result and its SHA-256, which it has been compared with:
// nothing that was damaged leaves as a finding.
func (r *results) file(ctx context.Context, key, name string) ([]byte, string, error) {
	if !isDigest(key) {
		return nil, "", notFound("result")
	}
	sums, err := blob.ReadSums(ctx, r.store, resultPrefix(key))
	if err != nil {
		return nil, "", gone(err)
	}
	sum, ok := sums.Find(name)
	if !ok {
		return nil, "", notFound("file")
	}
	data, err := blob.Read(ctx, r.store, resultPrefix(key)+"/"+name, min(sum.Bytes, maxResultFile))
	if err != nil {
		return nil, "", gone(err)
	}
	if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum.SHA256 {
		return nil, "", refuse(503, "submit the slide again", "%s of result %.12s is damaged: it does not fit its checksum", name, key)
	}
	return data, sum.SHA256, nil
}

func resultPrefix(key string) string { return "results/" + key }

// gone says in an answer's words that a result has been taken away since.
func gone(err error) error {
	if fault.Of(err) == fault.NotFound {
		return refuse(404, "submit the slide again", "the files of this result are not there any more")
	}
	return err
}

// result returns a set's result.json.
func (r *results) result(ctx context.Context, key string) (*report.Result, error) {
	data, _, err := r.file(ctx, key, report.ResultFile)
	if err != nil {
		return nil, err
	}
	var out report.Result
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fault.New(fault.Internal, "read %s: %w", report.ResultFile, err)
	}
	return &out, nil
}

// patches returns a set's patches. How much of each is tissue does not stand in the
// set.
func (r *results) patches(ctx context.Context, key string) ([]Patch, error) {
	data, _, err := r.file(ctx, key, report.PatchesFile)
	if err != nil {
		return nil, err
	}
	rects, values, err := report.ReadPatches(bytes.NewReader(data))
	if err != nil {
		return nil, fault.New(fault.Internal, "read %s: %w", report.PatchesFile, err)
	}
	out := make([]Patch, len(rects))
	for i, r := range rects {
		out[i] = Patch{r.X, r.Y, r.W, r.H, values[i], -1}
	}
	return out, nil
}
