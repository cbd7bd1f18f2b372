package ort_test

import (
	"testing"

	"bcc/native/ort"
)

func FuzzDescribe(f *testing.F) {
	f.Add(testModel{}.encode())
	f.Add(testModel{batch: 2, side: 16, nhwc: true, weightInput: true}.encode())
	f.Add(testModel{shapeless: true, external: true, secondInput: true}.encode())
	f.Add(identity())
	f.Add([]byte("<html>404</html>"))
	f.Fuzz(func(t *testing.T, onnx []byte) {
		info, err := ort.Plan(onnx, ort.Config{PatchPx: 16})
		if err == nil && (info.PatchPx != 16 || info.Batch < 0 || info.Layout != ort.NCHW && info.Layout != ort.NHWC) {
			t.Errorf("a model is planned as %+v", info)
		}
	})
}
