package server_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"sync"
	"testing"

	_ "image/jpeg"

	"bcc/server"
)

// tile fetches one and decodes it.
func (s *site) tile(t *testing.T, path string) image.Image {
	t.Helper()
	m, _, err := image.Decode(bytes.NewReader(s.get(t, path).wants(t, 200).body))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return m
}

func TestSlideAndHeatMapLieOnEachOther(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	id := s.finished(t) // 768×640, a lesion from (256,213) to (384,320)
	var dzi [2]struct {
		TileSize, Overlap int    `xml:",attr"`
		Format            string `xml:",attr"`
		Size              struct {
			Width, Height int `xml:",attr"`
		}
	}
	for i, name := range []string{"slide.dzi", "heatmap.dzi"} {
		a := s.get(t, "/slides/"+id+"/"+name).wants(t, 200)
		if err := xml.Unmarshal(a.body, &dzi[i]); err != nil || a.header.Get("Content-Type") != "application/xml" {
			t.Fatalf("%s: %v, %s", name, err, a.body)
		}
	}
	if dzi[0].Size != dzi[1].Size || dzi[0].Size.Width != 768 || dzi[0].TileSize != dzi[1].TileSize || dzi[0].Overlap != dzi[1].Overlap || dzi[0].Format != "jpg" || dzi[1].Format != "png" {
		t.Errorf("%+v", dzi)
	}
	slide, heat := s.tile(t, "/slides/"+id+"/slide_files/10/0_0.jpg"), s.tile(t, "/slides/"+id+"/heatmap_files/10/0_0.png")
	if slide.Bounds() != heat.Bounds() || slide.Bounds().Dx() != dzi[0].TileSize+dzi[0].Overlap {
		t.Errorf("tiles of %v and %v", slide.Bounds(), heat.Bounds())
	}
	lesion, tissue, glass := image.Pt(320, 266), image.Pt(150, 400), image.Pt(20, 20)
	red := func(p image.Point) uint8 { return color.NRGBAModel.Convert(slide.At(p.X, p.Y)).(color.NRGBA).R }
	if red(lesion) < 200 || red(tissue) > 80 || red(glass) < 250 {
		t.Errorf("the slide's reds are %d, %d, %d", red(lesion), red(tissue), red(glass))
	}
	alpha := func(m image.Image, p image.Point) uint8 {
		return color.NRGBAModel.Convert(m.At(p.X, p.Y)).(color.NRGBA).A
	}
	if alpha(heat, lesion) == 0 || alpha(heat, glass) != 0 {
		t.Errorf("the heat map's opacities are %d, %d", alpha(heat, lesion), alpha(heat, glass))
	}
	above := s.tile(t, "/slides/"+id+"/heatmap_files/10/0_0.png?threshold=0.5")
	if alpha(above, lesion) == 0 || alpha(above, tissue) != 0 {
		t.Errorf("above 0.5 the opacities are %d, %d", alpha(above, lesion), alpha(above, tissue))
	}
	if small := s.tile(t, "/slides/"+id+"/slide_files/0/0_0.jpg").Bounds(); small.Dx() != 1 || small.Dy() != 1 {
		t.Errorf("level 0 is %v", small)
	}
}

func TestWhatWasSentOnceIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	id := s.finished(t)
	for _, p := range []string{"slide.dzi", "slide_files/9/0_0.jpg", "heatmap.dzi", "heatmap_files/9/0_0.png?threshold=0.25", "result", "patches.csv", "heatmap.png", "report.html"} {
		a := s.get(t, "/slides/"+id+"/"+p).wants(t, 200)
		etag := a.header.Get("Etag")
		if etag == "" || !strings.HasPrefix(a.header.Get("Cache-Control"), "private") {
			t.Errorf("%s: %v", p, a.header)
		}
		b := s.get(t, "/slides/"+id+"/"+p, "If-None-Match", etag)
		if b.status != 304 || len(b.body) > 0 || b.header.Get("Etag") != etag {
			t.Errorf("%s: %d, %d bytes", p, b.status, len(b.body))
		}
		if c := s.get(t, "/slides/"+id+"/"+p, "If-None-Match", `"other"`); c.status != 200 || !bytes.Equal(c.body, a.body) {
			t.Errorf("%s: %d, %d bytes, before %d", p, c.status, len(c.body), len(a.body))
		}
	}
	other := s.get(t, "/slides/"+id+"/heatmap_files/9/0_0.png?threshold=0.26").wants(t, 200).header.Get("Etag")
	if other == s.get(t, "/slides/"+id+"/heatmap_files/9/0_0.png?threshold=0.25").header.Get("Etag") {
		t.Error("two thresholds have one tag")
	}
	a := s.get(t, "/slides/"+id+"/patches.csv", "Range", "bytes=0-3")
	if a.status != 206 || string(a.body) != "minx" {
		t.Errorf("a part: %d %q", a.status, a.body)
	}
	m := string(s.get(t, "/metrics").body)
	for _, want := range []string{`bcc_http_tiles_total{from="cache"}`, `bcc_http_tiles_total{from="made"}`} {
		if !strings.Contains(m, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestManyViewersOfManySlidesNeedFewOpenOnes(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.OpenSlides, c.TileCache = 1, 1 })
	var ids []string
	for i := range 3 {
		m := image.NewGray(image.Rect(0, 0, 300+i, 200)) // each a slide of its own
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		a := s.predict(t, b.Bytes(), "hold.png", []string{"mpp_um", "4"}, "Prefer", "respond-async").wants(t, 202)
		ids = append(ids, a.json(t)["id"].(string))
	}
	t.Cleanup(func() {
		for _, id := range ids {
			_ = theWorld.ledger.Cancel(context.Background(), id)
		}
	})
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			// They are shown while they wait: the file is there.
			a := s.get(t, fmt.Sprintf("/slides/%s-0/slide_files/9/0_0.jpg", ids[i%3]))
			m, _, err := image.DecodeConfig(bytes.NewReader(a.body))
			if err != nil || m.Width != 300+i%3 {
				t.Errorf("%d: %v, %v", a.status, err, m.Width)
			}
		})
	}
	wg.Wait()
}

func TestASlideThatWasNotFetchedHasNoTiles(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *server.Config) { c.Fetcher = fetcher{"https://ok/"} })
	id := s.post(t, "/predict/batch", "application/json", `{"files":[{"url":"https://ok/a.tif"}]}`).wants(t, 202).json(t)["id"].(string)
	s.get(t, "/slides/"+id+"-0/slide.dzi").wants(t, 404)
	s.get(t, "/slides/"+id+"-0/heatmap.dzi").wants(t, 404)
}
