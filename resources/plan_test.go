package resources

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"bcc/fault"
)

const gib = 1 << 30

var (
	laptop = Machine{Cores: Cores{Machine: 8, Allowed: 8, Usable: 8}, MemoryTotal: 16 * gib, NoGPU: "the driver's library is not installed"}
	small  = Model{Bytes: 1 << 20, PatchPx: 224}
)

func gpus(n int) []GPU {
	all := make([]GPU, n)
	for i := range all {
		all[i] = GPU{Index: i, Name: "H100", MemoryTotal: 80 * gib}
	}
	return all
}

func TestAPlanFitsItsMachine(t *testing.T) {
	t.Parallel()
	box := laptop
	box.Limited, box.MemoryTotal, box.Cores = true, gib, Cores{Machine: 8, Allowed: 8, Quota: 1.5, Usable: 2}
	crowd := Machine{Cores: Cores{Machine: 64, Allowed: 64, Usable: 64}, MemoryTotal: 1536 << 20}
	node := Machine{Cores: Cores{Machine: 32, Allowed: 32, Usable: 32}, MemoryTotal: 256 * gib, GPUs: gpus(4)}
	cpu := func(runners, batch int) Device {
		return Device{Name: "cpu", Sessions: 1, Runners: runners, Threads: 1, Batch: batch}
	}
	cuda := func(name string, batch int, memory float64) Device {
		return Device{Name: name, Sessions: 1, Runners: 2, Threads: 1, Batch: batch, MemoryBytes: uint64(memory * 80 * gib)}
	}
	for name, c := range map[string]struct {
		machine Machine
		model   Model
		wish    Wish
		want    []Device
		why     string
	}{
		"no GPU":                     {laptop, small, Wish{}, []Device{cpu(8, 2)}, "no GPU: the driver's library is not installed"},
		"a container's quota":        {box, small, Wish{}, []Device{cpu(2, 2)}, "quota of 1.50 cores"},
		"a batch that was asked for": {laptop, small, Wish{Batch: 7}, []Device{cpu(8, 7)}, "batch: 7, as asked"},
		"runners asked for":          {laptop, small, Wish{Runners: 3}, []Device{cpu(3, 2)}, "runners: 3, as asked"},
		"a model without a choice":   {laptop, Model{Batch: 4}, Wish{Batch: 7}, []Device{cpu(8, 4)}, "no choice"},
		"measured":                   {laptop, small, Wish{Measured: &Measured{Batch: 4, Runners: 6, PatchesPerS: 900}}, []Device{cpu(6, 4)}, "measured best here: 900 patches/s"},
		"asked for beats measured":   {laptop, small, Wish{Batch: 1, Measured: &Measured{Batch: 4, Runners: 6}}, []Device{cpu(6, 1)}, "batch: 1, as asked"},
		"four GPUs": {node, small, Wish{}, []Device{cuda("cuda:0", 32, .8), cuda("cuda:1", 32, .8), cuda("cuda:2", 32, .8), cuda("cuda:3", 32, .8)},
			"32 a GPU, 128 in all (GPUs × 32)"},
		"two GPUs and the CPU":        {node, small, Wish{Devices: []string{"cuda:0", "cuda:1", "cpu"}}, []Device{cuda("cuda:0", 32, .8), cuda("cuda:1", 32, .8), cpu(32, 2)}, "64 in all"},
		"less of a GPU's memory":      {node, small, Wish{Devices: []string{"cuda"}, GPUMemory: .25}, []Device{cuda("cuda:0", 32, .25)}, "25 % of each"},
		"the same device twice":       {node, small, Wish{Devices: []string{"cuda", "cuda:0", "cpu", "cpu"}}, []Device{cuda("cuda:0", 32, .8), cpu(32, 2)}, ""},
		"auto beside the CPU":         {node, small, Wish{Devices: []string{"auto", "cpu", ""}}, []Device{cuda("cuda:0", 32, .8), cuda("cuda:1", 32, .8), cuda("cuda:2", 32, .8), cuda("cuda:3", 32, .8), cpu(32, 2)}, ""},
		"a number as others write it": {node, small, Wish{Devices: []string{"cuda:01"}}, []Device{cuda("cuda:1", 32, .8)}, ""},
		"more cores than memory":      {crowd, Model{Bytes: 90 << 20, PatchPx: 224}, Wish{}, []Device{cpu(64, 1)}, "smaller batches or fewer runners"},
	} {
		p, err := c.machine.Plan(c.model, c.wish)
		if err != nil || !reflect.DeepEqual(p.Devices, c.want) {
			t.Errorf("%s: %+v, %v: want %+v", name, p.Devices, err, c.want)
		}
		if !slices.ContainsFunc(p.Why, func(why string) bool { return strings.Contains(why, c.why) }) {
			t.Errorf("%s: no word of %q in %q", name, c.why, p.Why)
		}
		for _, d := range p.Devices {
			if d.Batch < 1 || d.Runners < 1 || d.Sessions != 1 {
				t.Errorf("%s: nothing would run: %+v", name, d)
			}
		}
	}
}

func TestAPlanCountsOnNoGPUThatNobodySees(t *testing.T) {
	t.Parallel()
	node := Machine{Cores: Cores{Machine: 4, Allowed: 4, Usable: 4}, MemoryTotal: 64 * gib, GPUs: gpus(1)}
	unseen := func(name string) Device {
		return Device{Name: name, Sessions: 1, Runners: 2, Threads: 1, Batch: 32}
	}
	cpu := Device{Name: "cpu", Sessions: 1, Runners: 8, Threads: 1, Batch: 2}
	standIn := cpu
	standIn.StandIn = true
	few := standIn
	few.Runners = 4
	cuda := Device{Name: "cuda:0", Sessions: 1, Runners: 2, Threads: 1, Batch: 32, MemoryBytes: 64 * gib}
	for name, c := range map[string]struct {
		machine      Machine
		devices      []string
		want, unseen []Device
		like         []string // what needs as much memory
		why          string
	}{
		"one, and no GPU":                {laptop, []string{"cuda:0"}, []Device{standIn}, []Device{unseen("cuda:0")}, []string{"cpu"}, "device: cuda:0 is not seen here (no GPU: the driver's library is not installed): what cannot be opened the CPU does"},
		"two beside the CPU, and no GPU": {laptop, []string{"cuda:0", "cuda:1", "cuda", "cpu"}, []Device{cpu}, []Device{unseen("cuda:0"), unseen("cuda:1")}, []string{"cpu"}, "cuda:0, cuda:1 are not seen here"},
		"one more than there are":        {node, []string{"cuda:0", "cuda:1"}, []Device{cuda, few}, []Device{unseen("cuda:1")}, []string{"cuda:0", "cpu"}, "cuda:1 is not seen here (only cuda:0 is)"},
	} {
		p, err := c.machine.Plan(small, Wish{Devices: c.devices})
		if err != nil || !reflect.DeepEqual(p.Devices, c.want) || !reflect.DeepEqual(p.Unseen, c.unseen) {
			t.Errorf("%s: %+v, unseen %+v, %v", name, p.Devices, p.Unseen, err)
		}
		why := strings.Join(p.Why, "\n")
		if !strings.Contains(why, c.why) {
			t.Errorf("%s: no word of %q in %q", name, c.why, why)
		}
		if len(c.machine.GPUs) == 0 && (strings.Contains(why, "GPUs") || strings.Contains(why, "GPU memory")) {
			t.Errorf("%s: %q counts on GPUs", name, why)
		}
		if like, err := c.machine.Plan(small, Wish{Devices: c.like}); err != nil || p.Memory != like.Memory {
			t.Errorf("%s: memory %+v, want that of %v, %+v, %v", name, p.Memory, c.like, like.Memory, err)
		}
	}
}

func TestAPlanGivesUpWhatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	m := laptop
	m.MemoryTotal, m.Limited = 512<<20, true
	model := Model{Bytes: 45 << 20, PatchPx: 224}
	p, err := m.Plan(model, Wish{Slides: 2})
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Devices[0]; d.Batch != 1 || d.Runners >= 8 || p.Slides != 2 {
		t.Errorf("%+v, %d slides: want small batches, fewer runners, and the slides asked for", d, p.Slides)
	}
	m.MemoryTotal = 100 << 20
	if tiny, err := m.Plan(model, Wish{Slides: 2}); err != nil || !strings.Contains(strings.Join(tiny.Why, "\n"), "may not be enough") {
		t.Errorf("%q, %v: as small as it gets it does not fit, and nobody is told", tiny.Why, err)
	}
	if m.MemoryTotal = 512 << 20; p.Memory.Go < m.MemoryTotal/4 || p.Memory.Go >= m.MemoryTotal {
		t.Errorf("Go may have %d of %d bytes", p.Memory.Go, m.MemoryTotal)
	}
	asked, err := m.Plan(model, Wish{Slides: 2, Batch: 8, Runners: 8})
	if err != nil {
		t.Fatal(err)
	}
	if d := asked.Devices[0]; d.Batch != 8 || d.Runners != 8 || !strings.Contains(strings.Join(asked.Why, "\n"), "may not be enough") {
		t.Errorf("%+v %q: want what was asked for, and a warning", d, asked.Why)
	}
}

func TestDecodersHaveTheirPartOfTheMemory(t *testing.T) {
	t.Parallel()
	m := laptop
	alone, _ := m.Plan(small, Wish{Slides: 2})
	with, _ := m.Plan(small, Wish{Slides: 2, Decoders: 3})
	if alone.Memory.Decoders != 0 || alone.Memory.Decoder != 0 || with.Memory.Decoders != 3*decoderBytes || with.Memory.Decoder != mostDecoderLimit {
		t.Errorf("without %+v, with %+v", alone.Memory, with.Memory)
	}
	m.MemoryTotal, m.Limited = gib, true
	if tight, _ := m.Plan(small, Wish{Slides: 2, Decoders: 3}); tight.Memory.Decoder >= gib || tight.Memory.Decoder < leastDecoderLimit {
		t.Errorf("a decoder may allocate %d bytes of 1 GiB", tight.Memory.Decoder)
	}
}

func TestAPlanRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, w := range []Wish{
		{Batch: -1}, {Runners: -1}, {GPUMemory: 1.5}, {Slides: -1},
		{Devices: []string{"cuda:-1"}}, {Devices: []string{"cpu", "gpu"}}, {Devices: []string{"CPU"}}, {Devices: []string{"cuda:256"}}, {Devices: []string{"cuda:"}}, {Devices: []string{"cpu:0"}},
	} {
		if _, err := laptop.Plan(small, w); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
