package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bcc/fault"
)

func TestItRefusesLabelsThatLeadOutOfTheSet(t *testing.T) {
	t.Parallel()
	for _, out := range []string{"../b.tif", "/b.tif", "a/../../b.tif", "", ".", "a/.."} {
		path := filepath.Join(t.TempDir(), "labels.csv")
		if err := os.WriteFile(path, []byte("path,label,group\na/a.tif,1,p1\n"+out+",0,p2\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := readLabels(path)
		if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("path %q: error = %v, want invalid naming line 3", out, err)
		}
	}
}
