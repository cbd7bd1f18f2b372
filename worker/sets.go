package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"

	"bcc/blob"
	"bcc/fault"
)

type setSums struct {
	Files map[string]setSum `json:"files"`
}
type setSum struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

func writeSet(ctx context.Context, s blob.Store, prefix, dir string) error {
	es, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	sums := setSums{map[string]setSum{}}
	for _, e := range es {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		h := sha256.Sum256(b)
		sums.Files[e.Name()] = setSum{hex.EncodeToString(h[:]), int64(len(b))}
		if err := s.Put(ctx, prefix+"/"+e.Name(), bytes.NewReader(b)); err != nil {
			return err
		}
	}
	b, _ := json.Marshal(sums)
	return s.Put(ctx, prefix+"/sums.json", bytes.NewReader(b))
}

func checkSet(ctx context.Context, s blob.Store, prefix string) error {
	b, err := blob.Read(ctx, s, prefix+"/sums.json", 1<<20)
	if err != nil {
		return err
	}
	var sums setSums
	if err := json.Unmarshal(b, &sums); err != nil {
		return fault.New(fault.Corrupt, "%w", err)
	}
	for n, w := range sums.Files {
		b, err := blob.Read(ctx, s, prefix+"/"+n, w.Bytes)
		if err != nil {
			return fault.New(fault.Corrupt, "%w", err)
		}
		if h := sha256.Sum256(b); hex.EncodeToString(h[:]) != w.SHA256 {
			return fault.New(fault.Corrupt, "sum of %s", n)
		}
	}
	return nil
}

func dropSet(ctx context.Context, s blob.Store, prefix string) error {
	return s.Delete(ctx, prefix+"/sums.json")
}
