package capacity

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"bcc/fault"
)

// embedded is made by go run ./capacity/generate.
//
//go:embed catalogue.csv
var embedded []byte

// Catalogue is a list of instance types, each named once.
type Catalogue struct {
	types []Type
}

var catalogueColumns = []column{
	{"type", true}, {"arch", false}, {"vcpu", true}, {"threads_per_core", false}, {"memory_gib", false},
	{"gpus", false}, {"gpu", false}, {"usd_per_hour", true}, {"usd_per_hour_spot", false}, {"source", false}, {"date", false},
}

// maxUSD is above the price of an hour of any machine.
const maxUSD = 100_000

// ReadCatalogue reads a catalogue out of CSV with the columns type, vcpu, usd_per_hour and,
// where there is something to say, arch (amd64), threads_per_core (1), memory_gib, gpus
// (0), gpu, usd_per_hour_spot (not known), source and date. A wrong line, a type named
// twice, or a column of another name is Invalid, with its line.
func ReadCatalogue(r io.Reader, name string) (*Catalogue, error) {
	c := &Catalogue{}
	lines := map[string]int{}
	err := readTable(r, name, catalogueColumns, false, func(r row) error {
		t, err := readType(r)
		if err != nil {
			return err
		}
		if first, is := lines[t.Name]; is {
			return fmt.Errorf("type %s is on line %d too", t.Name, first)
		}
		lines[t.Name] = r.line
		c.types = append(c.types, t)
		return nil
	})
	if err == nil && len(c.types) == 0 {
		err = fault.New(fault.Invalid, "%s names no type", name)
	}
	return c, err
}

func readType(r row) (Type, error) {
	t := Type{Name: strings.Clone(r.text("type")), Arch: "amd64", GPU: strings.Clone(r.text("gpu")), Source: strings.Clone(r.text("source")), Date: strings.Clone(r.text("date"))}
	if a := r.text("arch"); a != "" {
		t.Arch = strings.Clone(a)
	}
	var wrong [6]error
	t.VCPU, wrong[0] = r.count("vcpu", 1, 10_000, 1)
	t.ThreadsPerCore, wrong[1] = r.count("threads_per_core", 1, 8, 1)
	t.MemoryGiB, wrong[2] = r.number("memory_gib", 0, 1e6, 0)
	t.GPUs, wrong[3] = r.count("gpus", 0, 64, 0)
	t.USD, wrong[4] = r.number("usd_per_hour", 0, maxUSD, 0)
	t.SpotUSD, wrong[5] = r.number("usd_per_hour_spot", 0, maxUSD, 0)
	return t, errors.Join(wrong[:]...)
}

// DefaultCatalogue is the one that comes with the program.
var DefaultCatalogue = sync.OnceValue(func() *Catalogue {
	c, err := ReadCatalogue(bytes.NewReader(embedded), "the program's catalogue")
	if err != nil {
		panic(err) // tested
	}
	return c
})

// Types returns all types in the catalogue's order.
func (c *Catalogue) Types() []Type { return slices.Clone(c.types) }

// Type returns the type of that name.
func (c *Catalogue) Type(name string) (Type, bool) {
	i := slices.IndexFunc(c.types, func(t Type) bool { return t.Name == name })
	if i < 0 {
		return Type{}, false
	}
	return c.types[i], true
}

// With returns the catalogue with t in place of the type of its name, or added.
func (c *Catalogue) With(t Type) *Catalogue {
	types := slices.Clone(c.types)
	if i := slices.IndexFunc(types, func(o Type) bool { return o.Name == t.Name }); i >= 0 {
		types[i] = t
	} else {
		types = append(types, t)
	}
	return &Catalogue{types}
}

// Only returns the catalogue with the types that one of the patterns fits (c7a.2xlarge,
// c7*.*); all where there is none. A pattern that fits nothing is NotFound.
func (c *Catalogue) Only(patterns []string) (*Catalogue, error) {
	if len(patterns) == 0 {
		return c, nil
	}
	used := make([]bool, len(patterns))
	only := &Catalogue{}
	for _, t := range c.types {
		fits := false
		for i, p := range patterns {
			is, err := path.Match(p, t.Name)
			if err != nil {
				return nil, fault.New(fault.Invalid, "type %q: %w", p, err)
			}
			used[i], fits = used[i] || is, fits || is
		}
		if fits {
			only.types = append(only.types, t)
		}
	}
	if i := slices.Index(used, false); i >= 0 {
		return nil, fault.Hint(fault.New(fault.NotFound, "no type %q in the catalogue", patterns[i]), "it has the families %s; --price TYPE=USD adds one of yours", strings.Join(c.families(), ", "))
	}
	return only, nil
}

// families names what stands before the dot of the types.
func (c *Catalogue) families() (all []string) {
	for _, t := range c.types {
		if f := family(t.Name); !slices.Contains(all, f) && len(all) < 40 {
			all = append(all, f)
		}
	}
	return all
}

func family(name string) string {
	f, _, _ := strings.Cut(name, ".")
	return f
}
