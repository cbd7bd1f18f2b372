package ort

import (
	"slices"

	"bcc/fault"
)

const float32Type = 1 // TensorProto.FLOAT

var typeNames = map[uint64]string{2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64", 16: "bfloat16"}

func typeName(dtype uint64) string {
	if name := typeNames[dtype]; name != "" {
		return name
	}
	return "another type"
}

// plan settles how a model is fed: the parts of Info that its signature and the
// config decide. Outputs is left to the first run, for shapes may be open.
func plan(s signature, cfg Config) (Info, error) {
	unsupported := func(format string, args ...any) (Info, error) {
		return Info{}, fault.New(fault.Unsupported, "model: "+format, args...)
	}
	if s.external {
		return unsupported("its weights lie in other files; a model in one file is needed")
	}
	if len(s.inputs) != 1 {
		return unsupported("it has %d inputs, want one picture", len(s.inputs))
	}
	in, out := s.inputs[0], s.outputs[0]
	if cfg.Output != "" {
		i := slices.IndexFunc(s.outputs, func(v value) bool { return v.name == cfg.Output })
		if i < 0 {
			return Info{}, fault.New(fault.Invalid, "model: it has no output %q", cfg.Output)
		}
		out = s.outputs[i]
	}
	for _, v := range []value{in, out} {
		if v.dtype != float32Type {
			return unsupported("%q is %s, want float32", v.name, typeName(v.dtype))
		}
	}
	if len(in.shape) != 4 && in.shape != nil {
		return unsupported("input %q has %d dimensions, want 4", in.name, len(in.shape))
	}

	info := Info{Batch: cfg.Batch, PatchPx: cfg.PatchPx, Layout: cfg.Layout, Input: in.name, Output: out.name}
	shape := in.shape
	if shape == nil {
		shape = []int64{-1, -1, -1, -1}
	}
	if info.Layout == LayoutAuto {
		info.Layout = NCHW
		if shape[1] != 3 && shape[3] == 3 {
			info.Layout = NHWC
		}
	}
	channels, height, width := shape[1], shape[2], shape[3]
	if info.Layout == NHWC {
		channels, height, width = shape[3], shape[1], shape[2]
	}
	if channels != 3 && channels != -1 {
		return unsupported("input %q has %d channels in %s, want 3", in.name, channels, info.Layout)
	}
	if height != width && height != -1 && width != -1 {
		return unsupported("input %q is %dx%d, want a square", in.name, width, height)
	}
	if side := max(height, width); side != -1 {
		if info.PatchPx != 0 && int64(info.PatchPx) != side {
			return Info{}, fault.New(fault.Invalid, "model: it wants patches of %d px, not of %d px", side, info.PatchPx)
		}
		if side > maxPatchPx {
			return unsupported("patches of %d px are larger than %d px", side, maxPatchPx)
		}
		info.PatchPx = int(side)
	}
	if info.PatchPx == 0 {
		return Info{}, fault.New(fault.Invalid, "model: it leaves the patch size open; the card must say it")
	}
	if fixed := shape[0]; fixed != -1 {
		if fixed > maxBatch {
			return unsupported("its batch of %d is larger than %d", fixed, maxBatch)
		}
		info.Batch = int(fixed)
	}
	return info, nil
}

// values returns the number of values of a batch's input.
func (i Info) values() int { return i.Batch * i.pictureValues() }

// pictureValues returns the length of one picture of it.
func (i Info) pictureValues() int { return 3 * i.PatchPx * i.PatchPx }

// shape returns the input's dimensions.
func (i Info) shape() []int64 {
	n, side := int64(i.Batch), int64(i.PatchPx)
	if i.Layout == NHWC {
		return []int64{n, side, side, 3}
	}
	return []int64{n, 3, side, side}
}
