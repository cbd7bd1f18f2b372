// Command generate writes capacity/catalogue.csv: instance types of Amazon EC2 with what
// they cost on demand.
//
//	go run ./capacity/generate > capacity/catalogue.csv
//
// Prices and numbers of GPUs are those that github.com/aws/karpenter-provider-aws holds as
// generated Go files (Apache-2.0; the module is fetched, nothing of it is compiled in).
// Cores and memory follow from the names of the types, by the rules in families.go, which
// are held against the types that Karpenter's tests describe in full.
package main

import (
	"archive/zip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	module  = "github.com/aws/karpenter-provider-aws"
	version = "v1.15.1"
	region  = "us-east-1"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

func run(w io.Writer) error {
	archive, err := download()
	if err != nil {
		return err
	}
	defer archive.Close()
	pricing, err := source(&archive.Reader, "pkg/providers/pricing/zz_generated.pricing_aws.go")
	if err != nil {
		return err
	}
	prices, date, err := readPrices(pricing)
	if err != nil {
		return fmt.Errorf("read prices: %w", err)
	}
	metadata, err := source(&archive.Reader, "pkg/providers/drametadata/zz_generated_gpu_metadata.go")
	if err != nil {
		return err
	}
	gpus, err := readGPUs(metadata)
	if err != nil {
		return fmt.Errorf("read GPUs: %w", err)
	}
	fixtures, err := source(&archive.Reader, "pkg/fake/zz_generated.describe_instance_types.go")
	if err != nil {
		return err
	}
	known, err := readShapes(fixtures)
	if err != nil {
		return fmt.Errorf("read described types: %w", err)
	}
	return write(w, prices, gpus, known, date)
}

// download has the go command fetch the module and opens its archive. A toolchain older
// than the module asks for does not matter: it is only read.
func download() (*zip.ReadCloser, error) {
	out, err := exec.Command("go", "mod", "download", "-json", module+"@"+version).Output()
	var m struct{ Zip, Error string }
	if parsing := json.Unmarshal(out, &m); parsing != nil {
		return nil, fmt.Errorf("go mod download %s@%s: %v, %v", module, version, err, parsing)
	}
	if m.Zip == "" {
		return nil, fmt.Errorf("go mod download %s@%s: %s", module, version, m.Error)
	}
	return zip.OpenReader(m.Zip)
}

func source(archive *zip.Reader, name string) ([]byte, error) {
	return readAll(archive, path.Join(module+"@"+version, name))
}

func readAll(archive *zip.Reader, name string) ([]byte, error) {
	f, err := archive.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// write writes the rows of the families, smallest types first.
func write(w io.Writer, prices map[string]float64, gpus map[string]gpu, known map[string]shape, date time.Time) error {
	var names []string
	checked := 0
	for name := range prices {
		s, is, err := shapeOf(name)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		if told, has := known[name]; has {
			if checked++; told != (shape{vcpu: s.vcpu, memoryGiB: s.memoryGiB}) {
				return fmt.Errorf("%s: the rules say %d vCPUs and %v GiB, its description %d and %v", name, s.vcpu, s.memoryGiB, told.vcpu, told.memoryGiB)
			}
		}
		names = append(names, name)
	}
	if checked < 4 {
		return fmt.Errorf("the rules could be held against %d described types only", checked)
	}
	slices.SortFunc(names, byFamily)
	fmt.Fprintf(w, "# Instance types of Amazon EC2, on demand, Linux, %s. Made by go run ./capacity/generate.\n", region)
	fmt.Fprintf(w, "# Prices and GPUs: %s %s, Apache-2.0. Cores and memory: from the names of the types.\n", module, version)
	out := csv.NewWriter(w)
	out.Write([]string{"type", "arch", "vcpu", "threads_per_core", "memory_gib", "gpus", "gpu", "usd_per_hour", "usd_per_hour_spot", "source", "date"})
	for _, name := range names {
		s, _, _ := shapeOf(name)
		g := gpus[name]
		if s.gpu && g.count == 0 {
			fmt.Fprintf(os.Stderr, "generate: left out %s: its GPUs are not known\n", name)
			continue
		}
		out.Write([]string{
			name, s.arch, strconv.Itoa(s.vcpu), strconv.Itoa(s.threads), number(s.memoryGiB), strconv.Itoa(g.count), g.name,
			number(prices[name]), "", "EC2 on demand " + region + " (karpenter " + version + ")", date.Format(time.DateOnly),
		})
	}
	out.Flush()
	return out.Error()
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// byFamily sorts types by the order of families, then by size.
func byFamily(a, b string) int {
	fa, _, _ := strings.Cut(a, ".")
	fb, _, _ := strings.Cut(b, ".")
	if fa != fb {
		return place(fa) - place(fb)
	}
	sa, _, _ := shapeOf(a)
	sb, _, _ := shapeOf(b)
	return sa.vcpu - sb.vcpu
}
