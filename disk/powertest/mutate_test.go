//go:build mutate

package powertest_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// syncing are the functions whose calls make something last.
var syncing = map[string]bool{"Sync": true, "SyncDir": true, "SyncUp": true}

const allSyncs = "" // no overlay

// Removing any sync from the code makes a test fail: each call is taken out of the
// source by itself, and the tests that pull the plug run on what is left.
//
//	make powertest
func TestEverySyncInTheCodeIsAskedFor(t *testing.T) {
	root, err := filepath.Abs("../..")
	must(t, err)
	for _, room := range []string{"disk", "blob", "report", "model", "evaluate"} {
		if out, err := pull(t, root, room, allSyncs); err != nil {
			t.Fatalf("with all syncs, too, the tests of %s fail:\n%s", room, out)
		}
		files, err := filepath.Glob(filepath.Join(root, room, "*.go"))
		must(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, m := range mutants(t, name) {
				t.Run(strings.TrimPrefix(m.at, root+"/"), func(t *testing.T) { m.try(t, root, room) })
			}
		}
	}
}

// mutant is a file of the source without one of its syncs.
type mutant struct {
	at, file, text string
}

func mutants(t *testing.T, name string) (all []mutant) {
	source, err := os.ReadFile(name)
	must(t, err)
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, source, 0)
	must(t, err)
	for _, d := range tree.Decls {
		in, is := d.(*ast.FuncDecl)
		if !is || in.Body == nil {
			continue
		}
		ast.Inspect(in.Body, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is {
				return true
			}
			called := ""
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				called = f.Sel.Name
			case *ast.Ident:
				called = f.Name
			}
			if !syncing[called] {
				return true
			}
			from, args, to := fset.Position(call.Pos()).Offset, fset.Position(call.Lparen).Offset+1, fset.Position(call.Rparen).Offset
			// Called with the same, so that nothing is left unused.
			text := string(source[:from]) + "func(...any) error { return nil }(" + string(source[from:args-1])
			if args < to {
				text += ", " + string(source[args:to])
			}
			pos := fset.Position(call.Pos())
			all = append(all, mutant{fmt.Sprintf("%s:%d", name, pos.Line), name, text + string(source[to:])})
			return true
		})
	}
	return all
}

// try runs the tests of the room, and of disk's callers, without that sync.
func (m mutant) try(t *testing.T, root, room string) {
	dir := t.TempDir()
	changed := filepath.Join(dir, filepath.Base(m.file))
	must(t, os.WriteFile(changed, []byte(m.text), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{m.file: changed}})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
	rooms := []string{room}
	if room == "disk" {
		rooms = append(rooms, "blob")
	}
	for _, r := range rooms {
		out, err := pull(t, root, r, filepath.Join(dir, "overlay.json"))
		if strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]") {
			t.Fatalf("the source without this sync cannot be built:\n%s", out)
		}
		if err != nil {
			return // found
		}
	}
	t.Error("without this sync no test fails")
}

// pull runs the tests of a room that pull the plug.
func pull(t *testing.T, root, room, overlay string) (out string, err error) {
	args := []string{"test", "-vet=off", "-count=1", "-run", "Cut|Sync|Outlives"}
	if overlay != allSyncs {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./"+room)...)
	cmd.Dir = root
	text, err := cmd.CombinedOutput()
	return string(text), err
}
