package model_test

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"bcc/disk/powertest"
	"bcc/model"
)

// A bundle that Save wrote is there after any cut, and a card never without the files
// that it names; each sync is needed for that.
func TestABundleOutlivesAnyCut(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	const folder = "models/mine/"
	var sets []powertest.State
	var at []int
	for width := range int64(2) {
		net, head := encoder(7+width, "embedding"), headNetwork(7+width, 2)
		b, err := model.Make(card(model.SlideHead, nil), map[string][]byte{model.ModelFile: net, model.HeadFile: head})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Save(filepath.Join(d.Dir(), folder)); err != nil {
			t.Fatal(err)
		}
		r := d.Record()
		sets, at = append(sets, named(r.Cut(r.Len(), powertest.Strict, powertest.Keep, ""), folder)), append(at, d.Now())
	}
	run := d.Record()
	broken := func(loss powertest.Loss, without string) (int, bool) {
		for n, s := range run.Cuts(powertest.Strict, loss, without) {
			got, is := named(s, folder), -1
			for i, set := range sets {
				if maps.EqualFunc(got, set, func(a, b []byte) bool { return string(a) == string(b) }) {
					is = i
				}
			}
			_, card := got[model.CardFile]
			if card && is < 0 || n >= at[1] && is != 1 || n == at[0] && is != 0 {
				return n, true
			}
		}
		return 0, false
	}
	for _, loss := range []powertest.Loss{powertest.Drop, powertest.Keep, powertest.Mix(1), powertest.Mix(2), powertest.Mix(3)} {
		if n, is := broken(loss, ""); is {
			t.Fatalf("after %s: the bundle is not whole", run.Op(n))
		}
	}
	for _, call := range run.Calls() {
		if _, is := broken(powertest.Drop, call); !is {
			t.Errorf("without %q nothing is lost", call)
		}
	}
}

// named returns the files of a folder that are no temporary ones.
func named(s powertest.State, folder string) powertest.State {
	files := powertest.State{}
	for path, data := range s {
		if name, in := strings.CutPrefix(path, folder); in && name != "" && name[0] != '.' {
			files[name] = data
		}
	}
	return files
}
