package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"time"
)

// gpu is what a type has of GPUs.
type gpu struct {
	count int
	name  string
}

var generated = regexp.MustCompile(`// generated at (\S+) for `)

// readPrices returns the prices of the region in USD an hour, and when they were asked for.
func readPrices(text []byte) (map[string]float64, time.Time, error) {
	found := generated.FindSubmatch(text)
	if found == nil {
		return nil, time.Time{}, fmt.Errorf("it does not say when it was generated")
	}
	date, err := time.Parse(time.RFC3339, string(found[1]))
	if err != nil {
		return nil, time.Time{}, err
	}
	table, err := variable(text, "InitialOnDemandPricesAWS")
	if err != nil {
		return nil, date, err
	}
	prices := map[string]float64{}
	err = pairs(table, func(in string, value ast.Expr) error {
		types, is := value.(*ast.CompositeLit)
		if !is || in != region {
			return nil
		}
		return pairs(types, func(name string, value ast.Expr) error {
			lit, is := value.(*ast.BasicLit)
			if !is {
				return fmt.Errorf("%s: its price is no number", name)
			}
			usd, err := strconv.ParseFloat(lit.Value, 64)
			if err == nil && !(usd > 0) {
				err = fmt.Errorf("%s: it costs %v", name, usd)
			}
			prices[name] = usd
			return err
		})
	})
	if err == nil && len(prices) == 0 {
		err = fmt.Errorf("no price for %s", region)
	}
	return prices, date, err
}

// readGPUs returns the NVIDIA GPUs of the types that have some.
func readGPUs(text []byte) (map[string]gpu, error) {
	table, err := variable(text, "GPUMetadataByInstanceType")
	if err != nil {
		return nil, err
	}
	gpus := map[string]gpu{}
	return gpus, pairs(table, func(name string, value ast.Expr) error {
		var g gpu
		ast.Inspect(value, func(n ast.Node) bool {
			kv, is := n.(*ast.KeyValueExpr)
			if !is {
				return true
			}
			switch key := kv.Key.(type) {
			case *ast.Ident:
				if lit, is := kv.Value.(*ast.BasicLit); is && key.Name == "Count" {
					g.count, _ = strconv.Atoi(lit.Value)
				}
			case *ast.BasicLit:
				if key.Value == `"productName"` && g.name == "" {
					g.name = firstString(kv.Value)
				}
			}
			return true
		})
		gpus[name] = g
		return nil
	})
}

// readShapes returns cores and memory of the types that the tests of Karpenter describe.
func readShapes(text []byte) (map[string]shape, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, 0)
	if err != nil {
		return nil, err
	}
	shapes := map[string]shape{}
	ast.Inspect(file, func(n ast.Node) bool {
		lit, is := n.(*ast.CompositeLit)
		if !is {
			return true
		}
		var name string
		var s shape
		for _, e := range lit.Elts {
			kv, is := e.(*ast.KeyValueExpr)
			if !is {
				continue
			}
			switch key, _ := kv.Key.(*ast.Ident); {
			case key == nil:
			case key.Name == "InstanceType":
				name = firstString(kv.Value)
			case key.Name == "VCpuInfo":
				s.vcpu = field(kv.Value, "DefaultVCpus")
			case key.Name == "MemoryInfo":
				s.memoryGiB = float64(field(kv.Value, "SizeInMiB")) / 1024
			}
		}
		if name != "" && s.vcpu > 0 {
			shapes[name] = s
		}
		return true
	})
	return shapes, nil
}

// variable returns the composite that the variable of a file is set to.
func variable(text []byte, name string) (*ast.CompositeLit, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	for _, d := range file.Decls {
		g, is := d.(*ast.GenDecl)
		if !is {
			continue
		}
		for _, s := range g.Specs {
			if v, is := s.(*ast.ValueSpec); is && len(v.Names) == 1 && v.Names[0].Name == name && len(v.Values) == 1 {
				if lit, is := v.Values[0].(*ast.CompositeLit); is {
					return lit, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("it has no table %s", name)
}

// pairs hands each key of a map of strings to f.
func pairs(table *ast.CompositeLit, f func(key string, value ast.Expr) error) error {
	for _, e := range table.Elts {
		kv, is := e.(*ast.KeyValueExpr)
		if !is {
			return fmt.Errorf("an element without a key")
		}
		key := firstString(kv.Key)
		if key == "" {
			return fmt.Errorf("a key that is no string")
		}
		if err := f(key, kv.Value); err != nil {
			return err
		}
	}
	return nil
}

// firstString returns the first string under n, empty where there is none.
func firstString(n ast.Node) (s string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if lit, is := n.(*ast.BasicLit); is && lit.Kind == token.STRING && s == "" {
			s, _ = strconv.Unquote(lit.Value)
		}
		return s == ""
	})
	return s
}

// field returns the number that the named field under n is set to.
func field(n ast.Node, name string) (v int) {
	ast.Inspect(n, func(n ast.Node) bool {
		kv, is := n.(*ast.KeyValueExpr)
		if !is {
			return true
		}
		if key, is := kv.Key.(*ast.Ident); is && key.Name == name {
			ast.Inspect(kv.Value, func(n ast.Node) bool {
				if lit, is := n.(*ast.BasicLit); is && lit.Kind == token.INT {
					v, _ = strconv.Atoi(lit.Value)
				}
				return true
			})
		}
		return true
	})
	return v
}
