package capacity

import (
	"os"
	"strings"
	"testing"

	"bcc/fault"
)

func TestTheCatalogueThatComesAlongHoldsWhatKarpenterSays(t *testing.T) {
	t.Parallel()
	c := DefaultCatalogue()
	for name, want := range map[string]Type{
		"c7i.2xlarge": {VCPU: 8, ThreadsPerCore: 2, MemoryGiB: 16, USD: 0.357, Arch: "amd64"},
		"c8g.2xlarge": {VCPU: 8, ThreadsPerCore: 1, MemoryGiB: 16, USD: 0.31904, Arch: "arm64"},
		"g4dn.xlarge": {VCPU: 4, ThreadsPerCore: 2, MemoryGiB: 16, GPUs: 1, GPU: "Tesla T4", USD: 0.526, Arch: "amd64"},
		"p5.48xlarge": {VCPU: 192, ThreadsPerCore: 2, MemoryGiB: 2048, GPUs: 8, GPU: "NVIDIA H100 80GB HBM3", USD: 55.04, Arch: "amd64"},
	} {
		got, is := c.Type(name)
		want.Name, want.Source, want.Date = name, "EC2 on demand us-east-1 (karpenter v1.15.1)", "2026-07-20"
		if !is || got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	for _, u := range c.Types() {
		if u.USD <= 0 || u.MemoryGiB <= 0 || u.Date == "" || u.Source == "" {
			t.Errorf("%+v: no price, memory, source or date", u)
		}
	}
}

func TestACatalogueSaysWhatIsWrongWithItAndWhere(t *testing.T) {
	t.Parallel()
	const head = "type,vcpu,usd_per_hour\n"
	for name, c := range map[string]struct{ text, says string }{
		"a negative price":     {head + "a.x,2,0.1\nb.x,2,-0.1\n", `line 3: usd_per_hour "-0.1": want a number from 0`},
		"no number":            {head + "a.x,2,NaN\n", `line 2: usd_per_hour "NaN"`},
		"infinite":             {head + "a.x,2,Inf\n", `line 2: usd_per_hour "Inf"`},
		"an empty price":       {head + "a.x,2,\n", "line 2: usd_per_hour is empty"},
		"a currency":           {head + "a.x,2,$1\n", `usd_per_hour "$1"`},
		"no cores":             {head + "a.x,0,1\n", `line 2: vcpu "0"`},
		"half a core":          {head + "a.x,1.5,1\n", "vcpu 1.5: want a whole number"},
		"a type twice":         {head + "a.x,2,1\n# words\na.x,4,2\n", "line 4: type a.x is on line 2 too"},
		"an unknown column":    {"type,vcpu,usd_per_hour,colour\n", `column "colour" is not known`},
		"a column twice":       {"type,vcpu,usd_per_hour,vcpu\n", `column "vcpu" stands there twice`},
		"a missing column":     {"type,vcpu\na.x,2\n", `column "usd_per_hour" is missing`},
		"a short line":         {head + "a.x,2\n", "line 2: 2 cells, the first line has 3"},
		"quotes without end":   {head + "\"a.x,2,1\n", "quote"},
		"nothing":              {"", "is empty"},
		"no line":              {head, "names no type"},
		"semicolons":           {"type;vcpu;usd_per_hour\na;2;1\n", `column "type;vcpu;usd_per_hour" is not known`},
		"a picture":            {"\x89PNG\r\n\x1a\n\x00\x00", "is not known"},
		"more than ten wrongs": {head + strings.Repeat("a.x,2,-1\n", 12), "and 2 lines more"},
	} {
		_, err := ReadCatalogue(strings.NewReader(c.text), "prices.csv")
		if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "prices.csv") {
			t.Errorf("%s: error %v, want Invalid with %q", name, err, c.says)
		}
	}
}

func TestACatalogueIsReadAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	const text = "\ufeff# ours\r\nusd_per_hour, type ,gpu,vcpu\r\n0,own.1,,16\r\n1.5,own.2,\"A, B\",8\r\n"
	c, err := ReadCatalogue(strings.NewReader(text), "prices.csv")
	if err != nil {
		t.Fatal(err)
	}
	own, _ := c.Type("own.2")
	if len(c.Types()) != 2 || own.USD != 1.5 || own.GPU != "A, B" || own.Arch != "amd64" || own.Cores() != 8 {
		t.Errorf("types %+v", c.Types())
	}
}

func TestTypesAreChosenByPatterns(t *testing.T) {
	t.Parallel()
	c, err := DefaultCatalogue().Only([]string{"c7a.*", "g4dn.xlarge"})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range c.Types() {
		if family(u.Name) != "c7a" && u.Name != "g4dn.xlarge" {
			t.Errorf("%s was not asked for", u.Name)
		}
	}
	if _, is := c.Type("g4dn.xlarge"); !is || len(c.Types()) < 5 {
		t.Errorf("%d types", len(c.Types()))
	}
	_, err = DefaultCatalogue().Only([]string{"c7a.*", "z9.*"})
	if fault.Of(err) != fault.NotFound || !strings.Contains(err.Error(), `"z9.*"`) || !strings.Contains(fault.HintOf(err), "c7a") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if _, err = DefaultCatalogue().Only([]string{"["}); fault.Of(err) != fault.Invalid {
		t.Errorf("error %v of a broken pattern", err)
	}
}

func FuzzReadCatalogue(f *testing.F) {
	f.Add(string(embedded[:2000]))
	f.Add("type,vcpu,usd_per_hour\na.x,2,-1\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ReadCatalogue(strings.NewReader(text), "f")
		if err != nil {
			if fault.Of(err) != fault.Invalid {
				t.Errorf("error %v is not Invalid", err)
			}
			return
		}
		if len(c.types) == 0 {
			t.Error("no type and no error")
		}
		for _, u := range c.types {
			if !(u.USD >= 0 && u.VCPU > 0) {
				t.Errorf("%+v", u)
			}
		}
	})
}

func TestTheEmbeddedFilesSayWhereTheyAreFrom(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("catalogue.csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"github.com/aws/karpenter-provider-aws", "Apache-2.0", "us-east-1"} {
		if !strings.Contains(string(text), words) {
			t.Errorf("the catalogue does not name %q", words)
		}
	}
	if DefaultRates() == nil {
		t.Error("no rate comes with the program")
	}
}
