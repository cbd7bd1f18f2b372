package dataset_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/dataset"
	"bcc/fault"
)

// folder writes files below a new folder.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// picture returns a PNG of px×px whose pixel at (x, y) is (seed, x, y).
func picture(t testing.TB, px int, seed byte) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, px, px))
	for y := range px {
		for x := range px {
			m.SetNRGBA(x, y, color.NRGBA{seed, byte(x), byte(y), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const head = "path,label,magnification,group,split\n"

// whole returns the files of a data set without a fault.
func whole(t testing.TB) map[string][]byte {
	files := map[string][]byte{}
	table := head
	for i, r := range []string{
		"carcinoma,100x,a,train", "normal,100x,b,train", "carcinoma,400x,a,train", "normal,400x,b,train",
		"carcinoma,100x,c,val", "normal,400x,d,val",
	} {
		name := fmt.Sprintf("t/%d.png", i)
		files[name] = picture(t, 8, byte(10*i))
		table += name + "," + r + "\n"
	}
	files["labels.csv"] = []byte(table)
	return files
}

func open(t testing.TB, dir string, cfg dataset.TilesConfig) *dataset.Tiles {
	t.Helper()
	tiles, err := dataset.OpenTiles(t.Context(), dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tiles
}

func TestItReadsTilesByClassGroupAndSplit(t *testing.T) {
	t.Parallel()
	tiles := open(t, folder(t, whole(t)), dataset.TilesConfig{})
	if got := tiles.Classes(); !slices.Equal(got, []string{"carcinoma", "normal"}) {
		t.Fatalf("classes %q: want the positive one first", got)
	}
	train, val := tiles.Split(dataset.Train), tiles.Split(dataset.Val)
	if tiles.Len() != 6 || train.Len() != 4 || val.Len() != 2 || tiles.Split(dataset.Test).Len() != 0 {
		t.Fatalf("%d tiles: %d train, %d val", tiles.Len(), train.Len(), val.Len())
	}
	if val.Name(1) != "t/5.png" || val.Class(1) != 1 || val.Group(1) != "d" || val.Value(1, "magnification") != "400x" {
		t.Errorf("second of val: %s, class %d, group %s, %s", val.Name(1), val.Class(1), val.Group(1), val.Value(1, "magnification"))
	}
	if got := train.Where("magnification", "400x"); got.Len() != 2 || got.Name(0) != "t/2.png" {
		t.Errorf("%d of train at 400x", got.Len())
	}
	if tiles.Where("stain", "").Len() != 0 || tiles.Value(0, "stain") != "" {
		t.Error("a column that is not there has values")
	}
	want := "train: 2 carcinoma, 2 normal in 2 groups; val: 1 carcinoma, 1 normal in 2 groups"
	if got := tiles.Summary(); got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
}

func TestItWritesNormalisedPlanes(t *testing.T) {
	t.Parallel()
	mean, std := [3]float32{0.5, 0.25, 0}, [3]float32{0.5, 1, 0.125}
	for _, keep := range []int64{0, 1} { // all in memory, none
		tiles := open(t, folder(t, whole(t)), dataset.TilesConfig{Mean: mean, Std: std, MaxBytes: keep})
		got := make([]float32, 3*8*8)
		for range 2 {
			if err := tiles.Read(t.Context(), 3, nil, func(string) []float32 { return got }); err != nil {
				t.Fatal(err)
			}
		}
		for y := range 8 {
			for x := range 8 {
				for c, v := range []int{30, x, y} {
					want := (float32(v)/255 - mean[c]) / std[c]
					if d := got[64*c+8*y+x] - want; d > 1e-6 || d < -1e-6 {
						t.Fatalf("channel %d at (%d,%d): %v, want %v", c, x, y, got[64*c+8*y+x], want)
					}
				}
			}
		}
	}
}

func TestItAugmentsOnlyWithRandomness(t *testing.T) {
	t.Parallel()
	var saw []int
	tiles := open(t, folder(t, whole(t)), dataset.TilesConfig{Augment: func(rng *rand.Rand, dst, src []byte, px int) {
		saw = append(saw, px)
		for i := range dst {
			dst[i] = 255
		}
	}})
	out := make([]float32, 3*8*8)
	dst := func(string) []float32 { return out }
	for range 2 { // the file's pixels are not touched
		if err := tiles.Read(t.Context(), 0, rand.New(rand.NewPCG(1, 2)), dst); err != nil {
			t.Fatal(err)
		}
		if out[0] != 1 || out[191] != 1 {
			t.Fatalf("augmented: %v, want 1", out[0])
		}
		if err := tiles.Read(t.Context(), 0, nil, dst); err != nil {
			t.Fatal(err)
		}
		if out[0] != 0 || out[191] == 1 {
			t.Fatalf("plain: %v, want 0", out[0])
		}
	}
	if !slices.Equal(saw, []int{8, 8}) {
		t.Errorf("augment was called for sides %v", saw)
	}
}

func TestItReadsEveryKindOfPicture(t *testing.T) {
	t.Parallel()
	grey := image.NewGray(image.Rect(0, 0, 8, 8))
	clear := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	red := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		grey.Pix[i] = 77
		copy(red.Pix[4*i:], []byte{200, 40, 90, 255})
	}
	encode := func(m image.Image, asJPEG bool) []byte {
		var b bytes.Buffer
		err := png.Encode(&b, m)
		if asJPEG {
			b.Reset()
			err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 95})
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	dir := folder(t, map[string][]byte{
		"a.png": encode(grey, false), "b.jpg": encode(grey, true), "c.png": encode(clear, false), "d.jpg": encode(red, true),
		"labels.csv": []byte("path,label,group,split\na.png,1,1,train\nb.jpg,0,2,train\nc.png,1,3,val\nd.jpg,0,4,val\n"),
	})
	tiles := open(t, dir, dataset.TilesConfig{})
	if got := tiles.Classes(); !slices.Equal(got, []string{"BCC", "Non-malignant"}) {
		t.Errorf("classes of 1 and 0: %q", got)
	}
	for i, want := range [][3]int{{77, 77, 77}, {77, 77, 77}, {255, 255, 255}, {200, 40, 90}} {
		pix, px, err := tiles.RGB(t.Context(), i)
		if err != nil || px != 8 || len(pix) != 192 {
			t.Fatalf("%s: %d bytes of side %d, %v", tiles.Name(i), len(pix), px, err)
		}
		for c := range 3 {
			if d := int(pix[c]) - want[c]; d < -3 || d > 3 {
				t.Errorf("%s: %v, want %v", tiles.Name(i), pix[:3], want)
			}
		}
	}
}

func TestItNamesEveryFault(t *testing.T) {
	t.Parallel()
	edit := func(old, with string) func(map[string][]byte) {
		return func(f map[string][]byte) {
			f["labels.csv"] = bytes.Replace(f["labels.csv"], []byte(old), []byte(with), 1)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(map[string][]byte)
		kind  fault.Kind
		want  []string
	}{
		{"a label without a file", func(f map[string][]byte) { delete(f, "t/2.png") }, fault.NotFound, []string{"line 4", "t/2.png", "no such file"}},
		{"a picture that is none", func(f map[string][]byte) { f["t/1.png"] = []byte("hello") }, fault.Unsupported, []string{"t/1.png", "neither"}},
		{"a picture cut short", func(f map[string][]byte) { f["t/1.png"] = f["t/1.png"][:80] }, fault.Corrupt, []string{"t/1.png", "cut short"}},
		{"a broken head", func(f map[string][]byte) { f["t/1.png"][20] ^= 1 }, fault.Corrupt, []string{"t/1.png", "decode"}},
		{"another size", func(f map[string][]byte) { f["t/4.png"] = picture(t, 9, 1) }, fault.Invalid, []string{"t/4.png is 9 px", "not 8"}},
		{"one class in a split", edit("normal,400x,d,val", "carcinoma,400x,d,val"), fault.Invalid, []string{"split val", "all 2", "carcinoma"}},
		{"a group in two splits", edit("normal,400x,d,val", "normal,400x,b,val"), fault.Invalid, []string{"group b", "t/1.png in train", "t/5.png in val"}},
		{"a split word", edit("d,val", "d,valid"), fault.Invalid, []string{"line 7", `"valid"`, "train, val, test"}},
		{"a row twice", edit("t/3.png", "t/../t/2.png"), fault.Invalid, []string{"line 5", "line 4 already"}},
		{"a way out", edit("t/3.png", "../t/2.png"), fault.Invalid, []string{"line 5", "out of the folder"}},
		{"no group", edit("d,val", ",val"), fault.Invalid, []string{"line 7", "no group"}},
		{"no label", edit("normal,400x,d", ",400x,d"), fault.Invalid, []string{"line 7", "no label"}},
		{"no column", edit("group", "patient"), fault.Invalid, []string{`"group"`, "patient"}},
		{"a short row", edit(",d,val", ",d"), fault.Invalid, []string{"labels.csv", "line 7"}},
		{"a column twice", edit("magnification", "path"), fault.Invalid, []string{"two columns"}},
		{"no rows", func(f map[string][]byte) { f["labels.csv"] = []byte(head) }, fault.Invalid, []string{"no rows"}},
		{"an empty table", func(f map[string][]byte) { f["labels.csv"] = nil }, fault.Invalid, []string{"labels.csv", "empty"}},
		{"a table in UTF-16", func(f map[string][]byte) { f["labels.csv"] = []byte("\xff\xfep\x00a\x00") }, fault.Invalid, []string{"labels.csv", "UTF-8"}},
		{"semicolons", func(f map[string][]byte) {
			f["labels.csv"] = bytes.ReplaceAll(f["labels.csv"], []byte(","), []byte(";"))
		}, fault.Invalid, []string{`no column "path"`}},
		{"a folder for a picture", edit("t/3.png", "t"), fault.Unsupported, []string{"line 5", "not a regular file"}},
		{"no table", func(f map[string][]byte) { delete(f, "labels.csv") }, fault.NotFound, []string{"no labels.csv"}},
		{"two positives", edit("normal", "tumor"), fault.Invalid, []string{"which of the labels", "tumor"}},
		{"several faults", func(f map[string][]byte) { delete(f, "t/0.png"); edit("d,val", "d,x")(f) }, fault.Invalid,
			[]string{"3 problems", "t/0.png", `"x"`}},
		{"many faults", func(f map[string][]byte) {
			for i := range 30 {
				f["labels.csv"] = fmt.Appendf(f["labels.csv"], "m/%d.png,normal,100x,b,train\n", i)
			}
		}, fault.NotFound, []string{"30 problems", "m/0.png", "m/9.png", "and 20 more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := whole(t)
			c.spoil(files)
			_, err := dataset.OpenTiles(t.Context(), folder(t, files), dataset.TilesConfig{})
			if err == nil {
				t.Fatal("no error")
			}
			if got := fault.Of(err); got != c.kind {
				t.Errorf("kind %v, want %v", got, c.kind)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v\nwants to say %q", err, w)
				}
			}
			if strings.Count(err.Error(), "\n") > 12 {
				t.Errorf("too long a message:\n%v", err)
			}
			if fault.HintOf(err) == "" {
				t.Error("no hint")
			}
		})
	}
}

// A head and an end that are right say nothing of what lies between them.
func TestItSaysWhatToDoAboutAPictureThatDoesNotDecode(t *testing.T) {
	t.Parallel()
	files := whole(t)
	files["t/3.png"][60] ^= 0xff
	tiles := open(t, folder(t, files), dataset.TilesConfig{})
	_, _, err := tiles.RGB(t.Context(), 3)
	if fault.Of(err) != fault.Corrupt || !strings.Contains(err.Error(), "t/3.png") || !strings.Contains(fault.HintOf(err), "labels.csv") {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
}

func TestItTakesTheNamedLabelAsPositive(t *testing.T) {
	t.Parallel()
	dir := folder(t, whole(t))
	tiles := open(t, dir, dataset.TilesConfig{Positive: "normal"})
	if tiles.Classes()[0] != "normal" || tiles.Class(0) != 1 {
		t.Errorf("classes %q, first tile %d", tiles.Classes(), tiles.Class(0))
	}
	if _, err := dataset.OpenTiles(t.Context(), dir, dataset.TilesConfig{Positive: "BCC"}); fault.Of(err) != fault.Invalid {
		t.Errorf("a label that is not there: %v", err)
	}
}

func TestItDoesNotLearnFromWhatItIsMeasuredOn(t *testing.T) {
	t.Parallel()
	files := whole(t)
	files["t/1.png"] = files["t/4.png"] // normal in train, carcinoma in val
	tiles := open(t, folder(t, files), dataset.TilesConfig{})
	if got := tiles.Split(dataset.Train); got.Len() != 3 || got.Name(1) != "t/2.png" {
		t.Errorf("%d tiles to learn from, want 3 without t/1.png", got.Len())
	}
	if got := tiles.Split(dataset.Val).Len(); got != 2 {
		t.Errorf("%d tiles of val, want 2", got)
	}
	notes := strings.Join(tiles.Notes(), "\n")
	for _, want := range []string{"1 pictures stand in the table under two labels", "1 pictures of train also stand in val or test"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %q do not say %q", notes, want)
		}
	}
}

func TestItsDigestSeesEveryByte(t *testing.T) {
	t.Parallel()
	files := whole(t)
	first := open(t, folder(t, files), dataset.TilesConfig{})
	again := open(t, folder(t, files), dataset.TilesConfig{})
	if first.Digest() != again.Digest() || first.Split(dataset.Val).Digest() != first.Digest() {
		t.Error("the same data set has two digests")
	}
	files["t/3.png"] = picture(t, 8, 99)
	if open(t, folder(t, files), dataset.TilesConfig{}).Digest() == first.Digest() {
		t.Error("another picture, the same digest")
	}
	if f := first.Split(dataset.Val).Files(); len(f) != 2 || f[0].Path != "t/4.png" || len(f[0].SHA256) != 64 {
		t.Errorf("files of val: %v", f)
	}
}

func TestItStopsWithTheContext(t *testing.T) {
	t.Parallel()
	dir := folder(t, whole(t))
	ctx, cancel := context.WithCancel(t.Context())
	tiles := open(t, dir, dataset.TilesConfig{})
	cancel()
	if _, err := dataset.OpenTiles(ctx, dir, dataset.TilesConfig{}); err == nil {
		t.Error("opened after the end")
	}
	if _, _, err := tiles.RGB(ctx, 0); err == nil {
		t.Error("read after the end")
	}
}

// The surrogate data of docs/results.md has faults of its own, which notes tell.
func TestItReadsRealTiles(t *testing.T) {
	t.Parallel()
	shared := os.Getenv("BCC_SHARED")
	if shared == "" {
		shared = "../../shared"
	}
	dir := filepath.Join(shared, "tiles", "oscc")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the shared tiles are not here")
	}
	tiles := open(t, dir, dataset.TilesConfig{SizePx: 224})
	if got := tiles.Split(dataset.Train).Len() + tiles.Split(dataset.Val).Len(); got < tiles.Len()-10 || tiles.Len() < 900 {
		t.Errorf("%d of %d tiles are used: %s", got, tiles.Len(), tiles.Summary())
	}
	t.Log(tiles.Summary(), tiles.Notes())
	if _, px, err := tiles.RGB(t.Context(), 0); err != nil || px != 224 {
		t.Errorf("side %d, %v", px, err)
	}
}

func FuzzPicture(f *testing.F) {
	f.Add(picture(f, 4, 1))
	f.Add([]byte("\xff\xd8\xff\xd9"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := folder(t, map[string][]byte{"a.png": text, "b.png": picture(t, 4, 2),
			"labels.csv": []byte("path,label,group,split\nb.png,0,1,train\na.png,1,2,train\n")})
		tiles, err := dataset.OpenTiles(t.Context(), dir, dataset.TilesConfig{})
		if err != nil {
			return
		}
		if pix, px, err := tiles.RGB(t.Context(), 1); err == nil && (px != 4 || len(pix) != 48) {
			t.Errorf("%d bytes of side %d", len(pix), px)
		}
	})
}

func FuzzTable(f *testing.F) {
	f.Add(string(head + "a.png,1,x,g,train\n"))
	f.Add("\ufeffpath,label,group,split\n\"a\nb\",0,g,val\n")
	f.Fuzz(func(t *testing.T, text string) {
		dir := folder(t, map[string][]byte{"labels.csv": []byte(text)})
		if tiles, err := dataset.OpenTiles(t.Context(), dir, dataset.TilesConfig{}); err == nil {
			t.Errorf("%d tiles out of a folder without any", tiles.Len())
		}
	})
}

func BenchmarkRead(b *testing.B) {
	tiles := open(b, folder(b, whole(b)), dataset.TilesConfig{})
	out := make([]float32, 192)
	for b.Loop() {
		if err := tiles.Read(b.Context(), 0, nil, func(string) []float32 { return out }); err != nil {
			b.Fatal(err)
		}
	}
}
