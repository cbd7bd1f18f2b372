package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"bcc/fault"
	"bcc/model"
	"bcc/models"
)

// newBOM writes what the image is made of, as CycloneDX 1.6: the program's Go modules,
// Go's library, Debian's packages, ONNX Runtime, the page's libraries, the models.
func newBOM(r *Recipe, root *Root) ([]byte, error) {
	bom := cdx.NewBOM()
	self := cdx.Component{BOMRef: "bcc", Type: cdx.ComponentTypeContainer, Name: Name, Version: r.tag(), Description: r.Labels["org.opencontainers.image.description"]}
	if r.Revision != "" {
		self.Properties = properties("vcs.revision", r.Revision)
	}
	bom.Metadata = &cdx.Metadata{
		Timestamp: r.Created.Format(time.RFC3339),
		Component: &self,
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "bcc deploy/image", Version: r.Version}}},
	}
	var all []cdx.Component
	for _, m := range root.Modules {
		all = append(all, moduleComponent(m))
	}
	for _, p := range root.Debs {
		all = append(all, debComponent(p))
	}
	for _, p := range root.Parts {
		all = append(all, npmComponent(p.npm, p.Member, p.SHA256))
	}
	for _, p := range r.Setup.Page {
		all = append(all, npmComponent(p, "", ""))
	}
	for _, l := range root.NVIDIA {
		sum, err := digestOf(l.path)
		if err != nil {
			return nil, fault.New(fault.NotFound, "%w", err)
		}
		all = append(all, cdx.Component{
			BOMRef: "nvidia/" + l.name, Type: cdx.ComponentTypeLibrary, Name: l.name,
			Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}},
			Properties: properties("file", filepath.Base(l.path)), // which says its version
		})
	}
	shipped, err := modelComponents()
	if err != nil {
		return nil, err
	}
	all = append(all, shipped...)
	slices.SortFunc(all, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	bom.Components = &all

	var refs []string
	for _, c := range all {
		refs = append(refs, c.BOMRef)
	}
	bom.Dependencies = &[]cdx.Dependency{{Ref: "bcc", Dependencies: &refs}}

	var out bytes.Buffer
	enc := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := enc.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fault.New(fault.Internal, "write the SBOM: %w", err)
	}
	return out.Bytes(), nil
}

// purl names a package for every scanner (github.com/package-url/purl-spec).
func purl(name, version string) string {
	return "pkg:" + strings.ReplaceAll(name+"@"+version, "+", "%2B")
}

func moduleComponent(m module) cdx.Component {
	purl := purl("golang/"+strings.ToLower(m.Path), m.Version)
	c := cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl}
	var found cdx.Licenses
	for _, l := range m.Licences {
		if id := spdx(l.Text); id != "" && !slices.ContainsFunc(found, func(c cdx.LicenseChoice) bool { return c.License.ID == id }) {
			// Concluded from the words of the file, which goes along in the image.
			found = append(found, cdx.LicenseChoice{License: &cdx.License{ID: id, Acknowledgement: cdx.LicenseAcknowledgementConcluded}})
		}
	}
	if len(found) > 0 {
		c.Licenses = &found
	}
	if m.Sum != "" {
		c.Properties = properties("go.sum", m.Sum)
	}
	return c
}

func debComponent(p *deb) cdx.Component {
	purl := purl("deb/debian/"+p.Name, p.Version) + "?arch=" + p.Arch
	return cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: purl,
		// Most have several; the file says which is of what.
		Properties: properties("source", p.Source, "licences", "/usr/share/doc/"+p.Name+"/copyright"),
	}
}

func npmComponent(p npm, member, sum string) cdx.Component {
	purl := purl("npm/"+p.Name, p.Version)
	c := cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: purl,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: npmLicences[p.Name]}}},
	}
	if member != "" {
		c.BOMRef += "#" + member
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}}
		c.Properties = properties("file", member)
	}
	return c
}

// npmLicences are those of what comes out of npm, as the packages say.
var npmLicences = map[string]string{
	"onnxruntime-node": "MIT", "com.github.asus4.onnxruntime.linux-x64-gpu": "MIT",
	"openseadragon": "BSD-3-Clause", "uplot": "MIT",
}

// modelComponents are the models inside the program.
func modelComponents() ([]cdx.Component, error) {
	var all []cdx.Component
	for _, name := range models.Names() {
		folder, err := models.FS(name)
		if err != nil {
			return nil, err
		}
		b, err := model.Open(folder)
		if err != nil {
			return nil, err
		}
		all = append(all, cdx.Component{
			BOMRef: "model/" + name, Type: cdx.ComponentTypeMachineLearningModel, Name: b.Card.Name, Version: b.Card.Version,
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: b.Digest}},
		})
	}
	return all, nil
}

// properties makes a list of names and values in turn.
func properties(pairs ...string) *[]cdx.Property {
	var all []cdx.Property
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, cdx.Property{Name: "bcc:" + pairs[i], Value: pairs[i+1]})
	}
	return &all
}
