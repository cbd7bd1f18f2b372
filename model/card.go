package model

// Kind says what a bundle does.
type Kind string

// The kinds.
const (
	PatchClassifier Kind = "patch-classifier" // a patch in, probabilities out
	Encoder         Kind = "encoder"          // a patch in, an embedding out
	SlideHead       Kind = "slide-head"       // an encoder, and a head over the embeddings of a slide
)

// Layouts of the input tensor.
const (
	NCHW = "NCHW"
	NHWC = "NHWC"
)

// Types of the output row.
const (
	Probabilities = "probabilities" // as they are
	Logits        = "logits"        // softmax over the row gives probabilities
	LogitSigmoid  = "logit-sigmoid" // a sigmoid of each gives its probability
)

// Card is card.json: what a bundle is, how its model wants its input, what it was
// made from and what it cannot do. The first block is WSInfer's model
// configuration, so that a card from there needs only a name and checksums more.
type Card struct {
	NumClasses      int         `json:"num_classes"`
	ClassNames      []string    `json:"class_names"`
	PatchSizePixels int         `json:"patch_size_pixels"` // as cut from the slide, before a Resize
	SpacingUMPx     float64     `json:"spacing_um_px"`     // µm per pixel of such a patch
	Transform       []Transform `json:"transform"`

	FormatVersion int               `json:"format_version"` // of this file; default 1
	Name          string            `json:"name"`
	Version       string            `json:"version"`                // default "0"
	Kind          Kind              `json:"kind"`                   // default patch-classifier
	Files         map[string]string `json:"files"`                  // SHA-256 of each file of the bundle but the card
	DefaultFile   string            `json:"default_file,omitempty"` // the network that runs: model.onnx (default) or model.int8.onnx

	Input         Layout `json:"input"`
	Output        Output `json:"output"`              // of a slide head: that of head.onnx
	Embedding     string `json:"embedding,omitempty"` // output of model.onnx that is a patch's embedding; default: see Bundle.Embedding
	PositiveClass string `json:"positive_class"`      // default: the class called BCC, or basal cell carcinoma, tumor, …

	IntendedUse     string          `json:"intended_use"` // default "not for diagnostic use"
	Description     string          `json:"description,omitempty"`
	Licence         string          `json:"licence,omitempty"`
	Training        *Training       `json:"training,omitempty"`
	Metrics         []Metric        `json:"metrics,omitempty"`
	Calibration     *Calibration    `json:"calibration,omitempty"`
	OperatingPoint  *OperatingPoint `json:"operating_point,omitempty"`
	LesionThreshold *float64        `json:"lesion_threshold,omitempty"` // patch probability from which a patch is part of a lesion
	Abstain         []float64       `json:"abstain,omitempty"`          // [lo, hi]: slide scores within are called Indeterminate
	KnownFailures   []string        `json:"known_failures,omitempty"`
	Quantization    *Quantization   `json:"quantization,omitempty"`
}

// Quantization is what model.int8.onnx is worth beside model.onnx.
type Quantization struct {
	AUROC      float64 `json:"auroc"`      // of model.onnx
	AUROCInt8  float64 `json:"auroc_int8"` // of model.int8.onnx
	DataSet    string  `json:"data_set"`   // that they were measured on
	Unit       string  `json:"unit"`       // of Samples: tiles, or patches out of slides
	Samples    int     `json:"samples"`    // in the data set
	Speed      float64 `json:"images_per_second"`
	SpeedInt8  float64 `json:"images_per_second_int8"`
	Device     string  `json:"device"`      // that the speeds are of
	Calibrated string  `json:"calibration"` // what the ranges were learned from
}

// Network returns the name of the file that runs.
func (c *Card) Network() string {
	if c.DefaultFile == "" {
		return ModelFile
	}
	return c.DefaultFile
}

// Transform is one step from a patch to the input tensor, as WSInfer names them:
// Resize, ToTensor, Normalize.
type Transform struct {
	Name      string         `json:"name"`
	Arguments *TransformArgs `json:"arguments,omitempty"`
}

// TransformArgs are the settings of a Resize (Size) or a Normalize (Mean, Std).
type TransformArgs struct {
	Size int       `json:"size,omitempty"` // px
	Mean []float64 `json:"mean,omitempty"` // R, G, B, of values in 0 to 1
	Std  []float64 `json:"std,omitempty"`
}

// Layout is how the input tensor lies in memory.
type Layout struct {
	Name   string `json:"name,omitempty"` // of the input; default: the only one
	Layout string `json:"layout"`         // NCHW (default) or NHWC
}

// Output is what a row of the output means.
type Output struct {
	Name string `json:"name,omitempty"` // of the output; default: the first
	Type string `json:"type"`           // Probabilities (default), Logits or LogitSigmoid
}

// Training is where the weights come from.
type Training struct {
	Data    string `json:"data"`
	Licence string `json:"licence,omitempty"` // of the data
	Split   string `json:"split,omitempty"`
	Seed    uint64 `json:"seed,omitempty"`
	Command string `json:"command,omitempty"` // that makes the bundle again
}

// Metric is one measured figure with its 95 % interval.
type Metric struct {
	Name     string   `json:"name"`
	DataSet  string   `json:"data_set"`
	Value    float64  `json:"value"`
	Low      *float64 `json:"low,omitempty"`
	High     *float64 `json:"high,omitempty"`
	Slides   int      `json:"slides,omitempty"`
	Patients int      `json:"patients,omitempty"`
}

// Calibration makes probabilities mean what they say: the logits are divided by
// the temperature before they become probabilities (Guo et al. 2017). Above 1 it
// takes a sure network back, below 1 it makes a timid one surer; the order of the
// scores stays.
type Calibration struct {
	Temperature float64 `json:"temperature"`
	FittedOn    string  `json:"fitted_on,omitempty"` // name of the set
	Slides      int     `json:"slides,omitempty"`    // or tiles, of that set
	Patients    int     `json:"patients,omitempty"`  // or groups
}

// OperatingPoint is the slide score from which a slide is called BCC, and what was
// measured there.
type OperatingPoint struct {
	Threshold         float64  `json:"threshold"`
	WantedSensitivity *float64 `json:"wanted_sensitivity,omitempty"` // that the threshold was chosen for
	ChosenOn          string   `json:"chosen_on,omitempty"`          // name of the set
	Slides            int      `json:"slides,omitempty"`             // or tiles, of that set
	Patients          int      `json:"patients,omitempty"`           // or groups
	Sensitivity       *Rate    `json:"sensitivity,omitempty"`
	Specificity       *Rate    `json:"specificity,omitempty"`
}

// Rate is a proportion with its 95 % interval.
type Rate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// DefaultThreshold applies only where a card names no operating point; it is no
// clinical threshold.
const DefaultThreshold = 0.5

// Threshold returns the slide score from which a slide is called BCC.
func (c *Card) Threshold() float64 {
	if c.OperatingPoint != nil {
		return c.OperatingPoint.Threshold
	}
	return DefaultThreshold
}

// Temperature returns what logits are divided by: 1 where the card holds no
// calibration.
func (c *Card) Temperature() float64 {
	if c.Calibration != nil {
		return c.Calibration.Temperature
	}
	return 1
}

// PatchThreshold returns the patch probability from which a patch is part of a
// lesion: the card's lesion threshold, else DefaultThreshold.
func (c *Card) PatchThreshold() float64 {
	if c.LesionThreshold != nil {
		return *c.LesionThreshold
	}
	return DefaultThreshold
}

// InputPx returns the side of the model's input: the patch size, or what a Resize
// makes of it.
func (c *Card) InputPx() int {
	for _, t := range c.Transform {
		if t.Name == "Resize" {
			return t.Arguments.Size
		}
	}
	return c.PatchSizePixels
}

// InputMPP returns the µm per pixel of the model's input: patches are read at this
// scale, so that a Resize costs no second resampling.
func (c *Card) InputMPP() float64 {
	return c.SpacingUMPx * float64(c.PatchSizePixels) / float64(c.InputPx())
}

// Normalization returns mean and standard deviation: the input is (v/255 - mean)/std
// for each of R, G, B. Without a Normalize that is v/255.
func (c *Card) Normalization() (mean, std [3]float32) {
	std = [3]float32{1, 1, 1}
	for _, t := range c.Transform {
		if t.Name != "Normalize" {
			continue
		}
		for i := range 3 {
			mean[i], std[i] = float32(t.Arguments.Mean[i]), float32(t.Arguments.Std[i])
		}
	}
	return mean, std
}
