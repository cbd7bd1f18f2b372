package client

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"strconv"
)

// Prediction is what a server says of a picture.
type Prediction struct {
	ID             *string           `json:"id"`         // of the slide; nil: nothing of it was kept
	Prediction     string            `json:"prediction"` // BCC, Non-malignant or Indeterminate
	Score          float64           `json:"score"`
	Confidence     float64           `json:"confidence"`
	ProcessingTime float64           `json:"processing_time"` // seconds
	Patches        []PredictedPatch  `json:"patches"`         // with PredictOptions.Patches
	Lesions        []PredictedLesion `json:"lesions"`
	Degraded       []string          `json:"degraded"` // what was done less well than asked
	Notice         string            `json:"notice"`   // what this is not: a diagnosis
	Cached         bool              `json:"cached"`
	RequestID      string            `json:"request_id"`
}

// PredictedPatch is one patch of a picture.
type PredictedPatch struct {
	Coordinates [4]int   `json:"coordinates"` // x, y, width, height in level-0 pixels
	Confidence  float64  `json:"confidence"`  // probability of BCC
	Tissue      *float64 `json:"tissue_percentage"`
}

// PredictedLesion is a group of patches that look like BCC.
type PredictedLesion struct {
	AreaMM2  float64 `json:"area_mm2"`
	Score    float64 `json:"score"`
	BoundsPx [4]int  `json:"bounds_px"` // x, y, width, height in level-0 pixels
}

// PredictOptions are what may be said beside a picture.
type PredictOptions struct {
	Parameters
	Patches  bool   // each patch is told of
	Priority string // routine or urgent; empty: urgent, for somebody waits
}

// Predict has one picture looked at, and waits for the answer: a patch, or a slide that
// is small enough to wait for (Config.Answer) and to lie in memory. Others are for Upload
// and Submit. Nothing is kept of a patch, so that it is safe to send again.
func (c *Client) Predict(ctx context.Context, picture []byte, o PredictOptions) (p Prediction, err error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	field := func(name, value string) {
		if err == nil && value != "" {
			err = w.WriteField(name, value)
		}
	}
	number := func(name string, v *float64) {
		if v != nil {
			field(name, strconv.FormatFloat(*v, 'g', -1, 64))
		}
	}
	number("confidence_threshold", o.Threshold)
	number("overlap", o.Overlap)
	number("min_tissue", o.MinTissue)
	if o.MPPUM != 0 {
		number("mpp_um", &o.MPPUM)
	}
	if o.Patches {
		field("return_patches", "true")
	}
	field("priority", o.Priority)
	file, e := w.CreateFormFile("file", "picture") // its name may be a patient's: it is not sent
	if err == nil {
		err = e
	}
	if err != nil {
		return p, err
	}
	file.Write(picture) // into memory: nothing fails here and below
	w.Close()
	r := request{method: "POST", path: "/predict", kind: w.FormDataContentType(), bytes: int64(form.Len())}
	r.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(form.Bytes())), nil }
	if err = c.ask(ctx, r, &p); err == nil && p.Prediction == "" {
		err = c.stranger("its answer is no prediction")
	}
	return p, err
}
