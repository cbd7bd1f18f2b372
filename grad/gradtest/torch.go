package gradtest

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"bcc/grad"
)

// askPyTorch reads cases and writes the loss and the gradients of each, computed in
// float64. An expression's elements are weighed to the loss unless it is the loss.
const askPyTorch = `
import json, sys, torch
import torch.nn.functional as F
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
answers = []
for c in json.load(sys.stdin):
    names = {"torch": torch, "F": F}
    for kind in ("Inputs", "Params"):
        for name, t in c[kind].items():
            v = torch.tensor(t["Data"], dtype=torch.float64).reshape(t["Shape"]).requires_grad_(kind == "Params")
            names[name.replace(".", "_")] = v
    exec(c["Setup"], names)
    y = eval(c["Torch"], names).reshape(-1)
    loss = (y * torch.tensor(c["Weights"], dtype=torch.float64)).sum()
    loss.backward()
    answers.append({"loss": loss.item(), **{
        name: names[name.replace(".", "_")].grad.reshape(-1).tolist() for name in c["Params"]}})
print(json.dumps(answers))
`

// Question is a program and its numbers, and the same network in PyTorch: Setup is
// statements, Torch an expression. Both know inputs and parameters by their names,
// dots as underlines. Weights weigh the elements of the expression to the loss.
type Question struct {
	Name    string        `json:"-"`
	Program *grad.Program `json:"-"`
	Flat    []float64     `json:"-"`
	Inputs  map[string]*Tensor
	Params  map[string]*Tensor
	Setup   string
	Torch   string
	Weights []float64
}

// pyTorchBound is by how much a gradient may differ from PyTorch's, relative to the
// largest of its parameter: constants in a graph are float32.
const pyTorchBound = 1e-6

// AskPyTorch compares loss and gradients with those of Debian's python3-torch. It
// skips the test where that is not installed.
func AskPyTorch(t testing.TB, questions []Question) {
	t.Helper()
	for i := range questions {
		q := &questions[i]
		q.Params = map[string]*Tensor{}
		for _, p := range q.Program.Params {
			q.Params[p.Name] = &Tensor{p.Shape, q.Flat[p.Offset:][:p.Shape.Len()]}
		}
	}
	in, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-c", askPyTorch)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		if exec.Command("/usr/bin/python3", "-c", "import torch").Run() != nil {
			t.Skip("PyTorch is not installed: apt-get install python3-torch")
		}
		t.Fatal(err)
	}
	var answers []map[string]json.RawMessage
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	for i, q := range questions {
		got, err := RunProgram(q.Program, q.Inputs, q.Flat)
		if err != nil {
			t.Fatal(err)
		}
		var loss float64
		if err := json.Unmarshal(answers[i]["loss"], &loss); err != nil {
			t.Fatal(err)
		}
		compare(t, q.Name+": loss", got[grad.LossName].Data, []float64{loss})
		for name := range q.Params {
			var want []float64
			if err := json.Unmarshal(answers[i][name], &want); err != nil {
				t.Fatal(err)
			}
			compare(t, q.Name+": gradient by "+name, got[grad.GradientName(name)].Data, want)
		}
	}
}

func compare(t testing.TB, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, PyTorch has %d", what, len(got), len(want))
	}
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	for i, v := range got {
		if !(math.Abs(v-want[i]) <= pyTorchBound*largest) {
			t.Errorf("%s: element %d is %v, PyTorch says %v", what, i, v, want[i])
			return
		}
	}
}
