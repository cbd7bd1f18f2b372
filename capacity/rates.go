package capacity

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bcc/fault"
)

// Rate is a measurement: how fast machines of a type walk slides with a model.
type Rate struct {
	Type           string  // of the catalogue, or a name for a machine that is in none
	Model          string  // SHA-256 of the network, in hex; 12 digits are enough; empty: of any
	ModelName      string  // for people
	PatchesPerS    float64 // from file to report, all cores and GPUs at work; the median
	Low, High      float64 // of the rounds; 0: not known
	SlideS         float64 // seconds that a slide takes besides its patches, all cores at work
	EngineRate     float64 // of the engine alone; 0: not known
	CPU            string  // its processor's name
	Cores          int     // vCPUs that worked
	ThreadsPerCore int     // vCPUs of a core
	GPUs           int     // that worked
	Arch           string  // GOARCH
	Date           string  // 2026-01-31
	Version        string  // of the program
	Given          bool    // by whoever asks, and not measured; not of files
}

// RateHeader is the first line of a file of rates.
const RateHeader = "type,model,model_name,patches_per_s,low,high,slide_s,engine_patches_per_s,cpu,cores,threads_per_core,gpus,arch,date,version\n"

var rateColumns = []column{
	{"type", true}, {"model", false}, {"model_name", false}, {"patches_per_s", true}, {"low", false}, {"high", false}, {"slide_s", false},
	{"engine_patches_per_s", false}, {"cpu", false}, {"cores", false}, {"threads_per_core", false}, {"gpus", false}, {"arch", false}, {"date", false}, {"version", false},
}

// maxRate is above what any machine does.
const maxRate = 1e9

// shortestModel is how many digits of a network's digest have to stand there at least.
const shortestModel = 12

// Row is the rate as a line of a file.
func (r Rate) Row() string {
	number := func(v float64) string {
		if v == 0 {
			return ""
		}
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{r.Type, r.Model, r.ModelName, number(r.PatchesPerS), number(r.Low), number(r.High), strconv.FormatFloat(r.SlideS, 'f', 4, 64), number(r.EngineRate), r.CPU,
		strconv.Itoa(r.Cores), strconv.Itoa(r.ThreadsPerCore), strconv.Itoa(r.GPUs), r.Arch, r.Date, r.Version}) // a buffer takes everything
	w.Flush()
	return b.String()
}

// Rates are measurements, oldest first.
type Rates []Rate

// ReadRates reads a file of rates: CSV with the columns type and patches_per_s and, where
// there is something to say, the others of RateHeader. Of several rows for a type and a
// model the last one counts. What is wrong is Invalid, with its line.
func ReadRates(r io.Reader, name string) (Rates, error) {
	var all Rates
	return all, readTable(r, name, rateColumns, false, func(r row) error {
		rate, err := readRate(r)
		all = append(all, rate)
		return err
	})
}

func readRate(r row) (Rate, error) {
	copied := func(name string) string { return strings.Clone(r.text(name)) }
	rate := Rate{
		Type: copied("type"), Model: strings.ToLower(copied("model")), ModelName: copied("model_name"),
		CPU: copied("cpu"), Arch: copied("arch"), Date: copied("date"), Version: copied("version"),
	}
	if rate.Arch == "" {
		rate.Arch = "amd64"
	}
	var wrong [8]error
	rate.PatchesPerS, wrong[0] = r.number("patches_per_s", 0.001, maxRate, 0)
	rate.Low, wrong[1] = r.number("low", 0, maxRate, 0)
	rate.High, wrong[2] = r.number("high", 0, maxRate, 0)
	rate.EngineRate, wrong[3] = r.number("engine_patches_per_s", 0, maxRate, 0)
	rate.Cores, wrong[4] = r.count("cores", 0, 10_000, 0)
	rate.ThreadsPerCore, wrong[5] = r.count("threads_per_core", 0, 8, 1)
	rate.GPUs, wrong[6] = r.count("gpus", 0, 64, 0)
	rate.SlideS, wrong[7] = r.number("slide_s", 0, 3600, 0)
	err := errors.Join(wrong[:]...)
	switch {
	case err != nil:
	case rate.Model != "" && (len(rate.Model) < shortestModel || strings.Trim(rate.Model, "0123456789abcdef") != ""):
		err = fmt.Errorf("model %q: want %d hexadecimal digits or more of the network's SHA-256, as bcc bench engine writes them", short(rate.Model), shortestModel)
	case rate.Low > rate.PatchesPerS || rate.High > 0 && rate.High < rate.PatchesPerS:
		err = fmt.Errorf("patches_per_s %v is not between low %v and high %v", rate.PatchesPerS, rate.Low, rate.High)
	}
	return rate, err
}

//go:embed rates.csv
var embeddedRates []byte

// DefaultRates are those that come with the program: of the machine it was written on.
var DefaultRates = sync.OnceValue(func() Rates {
	all, err := ReadRates(bytes.NewReader(embeddedRates), "the program's rates")
	if err != nil {
		panic(err) // tested
	}
	return all
})

// Of returns the rates of the network with that digest.
func (rs Rates) Of(model string) Rates {
	return slices.DeleteFunc(slices.Clone(rs), func(r Rate) bool {
		return r.Model != "" && !strings.HasPrefix(strings.ToLower(model), r.Model)
	})
}

// of returns the last rate of the type.
func (rs Rates) of(name string) (Rate, bool) {
	for _, r := range slices.Backward(rs) {
		if r.Type == name {
			return r, true
		}
	}
	return Rate{}, false
}

// Priced returns the type of that name at that price: of the catalogue, else as the machine
// that was measured under that name. NotFound where it is neither: a machine of which only
// the price is known would get an estimate that stands on nothing.
func (rs Rates) Priced(c *Catalogue, name string, usd float64) (Type, error) {
	t, is := c.Type(name)
	if !is {
		r, is := rs.of(name)
		if !is {
			return Type{}, fault.Hint(fault.New(fault.NotFound, "no type %.80q in the catalogue, and this network was not measured on one of that name", name),
				"look at the spelling, or say how fast it is: --rate %.80s=PATCHES_PER_S", name)
		}
		t = Type{Name: name, Arch: r.Arch, VCPU: max(r.Cores, 1), ThreadsPerCore: max(r.ThreadsPerCore, 1), GPUs: r.GPUs}
	}
	t.USD, t.SpotUSD, t.Source, t.Date = usd, usd, "given", ""
	return t, nil
}

// errNone says that a network was never measured.
func errNone() error {
	return fault.Hint(fault.New(fault.NotFound, "this network was never measured on any machine"),
		"bcc bench engine --model … --write rates.csv measures this machine; bcc plan --rates rates.csv, or --rate TYPE=PATCHES_PER_S")
}
