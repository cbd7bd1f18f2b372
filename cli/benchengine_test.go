package cli

import (
	"os"
	"path/filepath"
	"testing"

	"bcc/capacity"
	"bcc/fault"
)

func TestARowIsAppendedToRatesAndToNothingElse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rates.csv")
	kept, err := ratesSoFar(path)
	if err != nil || string(kept) != capacity.RateHeader {
		t.Fatalf("of no file: %q, %v", kept, err)
	}
	row := capacity.Rate{Type: "local", PatchesPerS: 3}.Row()
	for text, want := range map[string]string{
		"":                                              capacity.RateHeader,
		"# ours\n" + capacity.RateHeader + row:          "# ours\n" + capacity.RateHeader + row,
		capacity.RateHeader + row[:len(row)-1]:          capacity.RateHeader + row, // its last line has no end
		"patches_per_s,type\n3,local\n":                 "",
		"type,vcpu,usd_per_hour\na,1,1\n":               "",
		capacity.RateHeader + "local,,,-3,,,,,,,,,,,\n": "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		kept, err := ratesSoFar(path)
		if string(kept) != want || (want == "") != (fault.Of(err) == fault.Invalid) {
			t.Errorf("%q: %q, %v; want %q", text, kept, err, want)
		}
	}
}
