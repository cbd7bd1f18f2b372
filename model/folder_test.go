//go:build unix

package model_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bcc/fault"
	"bcc/model"
)

func TestItRefusesAPipeWithoutOpeningIt(t *testing.T) {
	t.Parallel()
	net := network(2, dims(1, 3, 224, 224)...)
	for _, pipe := range []string{model.CardFile, model.ModelFile} {
		dir := t.TempDir()
		for name, data := range bundle(fmt.Sprintf(foreign, hash(net)), net) {
			path := filepath.Join(dir, name)
			var err error
			if name == pipe {
				err = syscall.Mkfifo(path, 0o600)
			} else {
				err = os.WriteFile(path, data.Data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan error, 1)
		go func() {
			_, err := model.Open(os.DirFS(dir))
			done <- err
		}()
		select {
		case err := <-done:
			if fault.Of(err) != fault.Corrupt || !strings.Contains(err.Error(), pipe+": not a regular file") {
				t.Errorf("%v, want an error of kind corrupt that names %s", err, pipe)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("it waits for the other end of %s", pipe)
		}
	}
}

func TestItSaysWhenTheFolderIsAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := model.Open(os.DirFS(file))
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "a file, not a folder") ||
		!strings.Contains(fault.HintOf(err), model.CardFile) {
		t.Errorf("%v (hint %q), want that a folder is needed", err, fault.HintOf(err))
	}
}
