package cli_test

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// damageCommand is "damage FOLDER": the files in it lose their second half.
func damageCommand(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(filepath.Join(args[0], "*"))
	if err != nil || len(files) == 0 {
		ts.Fatalf("no files in %s: %v", args[0], err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		ts.Check(err)
		ts.Check(os.Truncate(f, info.Size()/2))
	}
}
