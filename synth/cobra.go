package synth

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bcc/fault"
	"bcc/wsi"
)

// The folders of COBRA, a public data set of biopsies for the detection of BCC.
const (
	cobraImages = "images"
	cobraMasks  = "tissue_masks"
)

// share gives patients one to three of the slides of a split, as in COBRA, where
// 3,211 patients have 5,147 biopsies.
func (c SetConfig) share(items []Item) {
	r := stream(c.Slide.Seed, 21)
	type patient struct {
		name string
		left int // slides to come
	}
	present := map[string]*patient{} // by split
	count := 0
	for i := range items {
		p := present[items[i].Split]
		if p == nil || p.left == 0 {
			count++
			p = &patient{fmt.Sprintf("p%05d", count), 1 + r.IntN(3)}
			present[items[i].Split] = p
		}
		p.left--
		items[i].Group = p.name
	}
}

// writeTables writes the three tables of COBRA over a set that is written.
func (c SetConfig) writeTables(dir string, items []Item) error {
	labels := [][]string{{"filename", "label", "split"}}
	images := [][]string{{"filename", "File Size (MB)", "Width (px)", "Height (px)", "Levels", "Spacings (mu)", "Downsamples", "Scanner"}}
	patients := [][]string{{"filename", "stainingname", "block", "specimennumber", "specimenmethod", "patientgender", "patient_id", "patient_age"}}
	r := stream(c.Slide.Seed, 22)
	age, gender := map[string]int{}, map[string]string{}
	block := map[string]int{}
	for _, it := range items {
		label := "0"
		if it.Slide.BCC {
			label = "1"
		}
		labels = append(labels, []string{it.Name, label, it.Split})

		info, err := os.Stat(filepath.Join(dir, cobraImages, it.Name+".tif"))
		if err != nil {
			return fault.New(fault.Unavailable, "write tables: %w", err)
		}
		size := it.Slide.Size
		levels := levelSizes(size, 2, tileSize)
		var spacings, downs []string
		for _, l := range levels {
			spacings = append(spacings, strconv.FormatFloat(downMPP(wsi.MPP{X: it.Slide.MPP, Y: it.Slide.MPP}, size, l).X, 'g', 6, 64))
			downs = append(downs, strconv.FormatFloat(float64(size.W)/float64(l.W), 'f', 1, 64))
		}
		images = append(images, []string{it.Name + ".tif", strconv.FormatFloat(float64(info.Size())/1e6, 'f', 3, 64),
			strconv.Itoa(size.W), strconv.Itoa(size.H), strconv.Itoa(len(levels)),
			strings.Join(spacings, ", "), strings.Join(downs, ", "), "bcc synth"})

		if gender[it.Group] == "" {
			age[it.Group], gender[it.Group] = 38+r.IntN(55), []string{"F", "M"}[r.IntN(2)]
		}
		block[it.Group]++
		patients = append(patients, []string{it.Name, "HE", strconv.Itoa(block[it.Group]), "1", "biopsy",
			gender[it.Group], it.Group, strconv.Itoa(age[it.Group])})
	}
	for _, t := range []struct {
		name string
		rows [][]string
	}{{"bcc_bcc.csv", labels}, {"bcc_images.csv", images}, {"bcc_patient.csv", patients}} {
		if err := writeTable(dir, t.name, t.rows); err != nil {
			return err
		}
	}
	return nil
}
