package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bcc/autoscale"
	"bcc/fault"
)

func TestAKindIsRead(t *testing.T) {
	t.Parallel()
	base := autoscale.Kind{PatchesPerS: 7, StartUp: time.Minute, Max: 5}
	var f kindsFlag
	for _, text := range []string{"name=cpu", "name=gpu,rate=900.5,usd=1.006,start=3m,min=1,max=20,spot"} {
		if err := f.Set(text); err != nil {
			t.Fatal(err)
		}
	}
	want := []autoscale.Kind{
		{Name: "cpu", PatchesPerS: 7, StartUp: time.Minute, Max: 5},
		{Name: "gpu", PatchesPerS: 900.5, USDPerHour: 1.006, StartUp: 3 * time.Minute, Min: 1, Max: 20, Spot: true},
	}
	got, err := f.kinds(base)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, k := range got {
		if again, err := parseKind(describeKind(k), base); err != nil || again != k {
			t.Errorf("%s is read as %+v, %v", describeKind(k), again, err)
		}
	}
	for text, says := range map[string]string{"name=cpu": "twice", "name=c,min=3,max=2": "max", "name=a,max=0": "1 or more", "name=b,min=9": "max"} {
		f := kindsFlag{said: []string{"name=cpu", text}}
		if _, err := f.kinds(base); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want invalid with %q", text, err, says)
		}
	}
	for text, says := range map[string]string{
		"rate=3":                  "name=",
		"name=a,rate=-1":          "0 or more",
		"name=a,rate=NaN":         "0 or more",
		"name=a,usd=Inf":          "0 or more",
		"name=a,start=soon":       "soon",
		"name=a,start=-1s":        "0 or more",
		"name=a,max=1e9":          "whole number",
		"name=a b":                "letters",
		"name=a,size=3":           "size",
		"name=a,rate=1,rate=2":    "twice",
		"":                        "name",
		"name=a,min=x,start=tomo": "min=x",
	} {
		if err := f.Set(text); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want invalid with %q", text, err, says)
		}
	}
}
