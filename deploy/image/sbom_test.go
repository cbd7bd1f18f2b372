package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestTheListOfPartsIsCycloneDX(t *testing.T) {
	t.Parallel()
	r := recipe(t, CPU)
	root := &Root{
		Modules: []module{
			{Path: "example.org/a", Version: "v1.2.3", Sum: "h1:abc=", Licences: []licence{{"LICENSE", []byte("Permission is hereby granted, free of charge, to any")}}},
			{Path: "std", Version: "1.26"},
		},
		Debs:   []*deb{{Name: "libstdc++6", Version: "12.2.0-14+deb12u1", Arch: "amd64", Source: "gcc-12"}},
		Parts:  []part{{npm: npm{"onnxruntime-node", "1.30.0"}, Member: "package/lib.so", SHA256: strings.Repeat("0a", 32)}},
		NVIDIA: []library{{cuDNN, "sbom_test.go"}},
	}
	text, err := newBOM(r, root)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := newBOM(r, root); err != nil || !bytes.Equal(text, again) {
		t.Errorf("another list the second time, %v", err)
	}
	check := schema(t)
	if err := check(text); err != nil {
		t.Error(err)
	}
	if err := check(bytes.Replace(text, []byte(`"type": "library"`), []byte(`"type": "libary"`), 1)); err == nil {
		t.Error("the schema takes anything") // and this test would say nothing
	}

	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range *bom.Components {
		got = append(got, c.BOMRef)
	}
	for _, want := range []string{
		"pkg:golang/example.org/a@v1.2.3", "pkg:golang/std@1.26",
		"pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64",
		"pkg:npm/onnxruntime-node@1.30.0#package/lib.so", "pkg:npm/uplot@" + pageVersion(r, "uplot"),
		"model/bcc-demo", "model/bcc-baseline", "nvidia/" + cuDNN,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not in %q", want, got)
		}
	}
	if deps := *(*bom.Dependencies)[0].Dependencies; !slices.Equal(deps, got) {
		t.Errorf("the image depends on %q, in the list are %q", deps, got)
	}
}

func pageVersion(r *Recipe, name string) string {
	for _, p := range r.Setup.Page {
		if p.Name == name {
			return p.Version
		}
	}
	return "none"
}

// schema is that of CycloneDX 1.6, out of the module that writes it.
func schema(t *testing.T) func([]byte) error {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	var id string
	for _, name := range []string{"spdx.schema.json", "jsf-0.82.schemax.json", "bom-1.6.schema.json"} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "schema", name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		id = doc.(map[string]any)["$id"].(string)
		if err := c.AddResource(id, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return func(text []byte) error {
		var doc any
		if err := json.Unmarshal(text, &doc); err != nil {
			return err
		}
		return s.Validate(doc)
	}
}

// TestEveryPartOfNpmHasALicence: one that is added to scripts/setup.sh has to be named.
func TestEveryPartOfNpmHasALicence(t *testing.T) {
	t.Parallel()
	all := append(recipe(t, CPU).Setup.Page, npm{Name: "onnxruntime-node"})
	for _, p := range gpuParts {
		all = append(all, p.npm)
	}
	for _, p := range all {
		if npmLicences[p.Name] == "" {
			t.Errorf("what is the licence of %s?", p.Name)
		}
	}
}

// TestLicencesAreToldApart reads those of modules that this one is built of.
func TestLicencesAreToldApart(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"github.com/spf13/cobra":                   "Apache-2.0",
		"golang.org/x/sys":                         "BSD-3-Clause",
		"github.com/vbauerster/mpb/v8":             "Unlicense",
		"github.com/golang-jwt/jwt/v5":             "MIT",
		"github.com/santhosh-tekuri/jsonschema/v6": "Apache-2.0",
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		found, err := licencesIn(strings.TrimSpace(string(out)))
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %d licences, %v", path, len(found), err)
			continue
		}
		if got := spdx(found[0].Text); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := spdx([]byte("All rights reserved.")); got != "" {
		t.Errorf("nothing known is called %s", got)
	}
}
