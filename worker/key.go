package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"bcc/report"
)

// keyed is all that a result follows from. Fields may be added, never renamed:
// results of the past would be made again.
type keyed struct {
	Slide      string            `json:"slide"` // SHA-256
	Model      string            `json:"model"` // SHA-256 of the bundle
	Version    string            `json:"version"`
	Parameters report.Parameters `json:"parameters"`
	Degraded   []string          `json:"degraded"`
}

// key names the result: results/<key>/ in the store.
func (k keyed) key() string {
	if k.Degraded == nil {
		k.Degraded = []string{}
	}
	b, err := json.Marshal(k)
	if err != nil {
		panic(err) // no parameter is NaN: detect.Config.Validate
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
