package cli_test

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bcc/cli"
)

func TestMain(m *testing.M) {
	if _, said := os.LookupEnv("BCC_CALIBRATE"); !said { // a script about it says something else
		os.Setenv("BCC_CALIBRATE", "off")
	}
	testscript.Main(m, map[string]func(){
		"bcc": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // as main does
			context.AfterFunc(ctx, stop)
			os.Exit(cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
		},
	})
}

// TestItBehavesAsTyped runs testdata/script/*.txtar: the command line as a user
// types it. Scripts that need the engine ask for [engine], those that need the
// real slides for [shared].
func TestItBehavesAsTyped(t *testing.T) {
	t.Parallel()
	library := engineLibrary()
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"headbundle": headBundle, "bundle": bundleCommand, "tiles": tilesCommand, "get": getCommand, "damage": damageCommand},
		Setup: func(env *testscript.Env) error {
			env.Setenv("BCC_ENGINE_LIBRARY", library)
			env.Setenv("SHARED", sharedDir())
			env.Setenv("BCC_CALIBRATE", "off")
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "engine":
				_, err := os.Stat(library)
				return cgo && err == nil, nil
			case "shared":
				_, err := os.Stat(sharedDir())
				return err == nil, nil
			}
			return false, nil
		},
	})
}

// engineLibrary is where scripts/setup.sh puts the engine.
func engineLibrary() string {
	path, _ := filepath.Abs("../.deps/onnxruntime/libonnxruntime.so.1")
	return path
}

// sharedDir holds the real slides, beside the checkout or where BCC_SHARED says.
func sharedDir() string {
	if dir := os.Getenv("BCC_SHARED"); dir != "" {
		return dir
	}
	dir, _ := filepath.Abs("../../shared")
	return dir
}
