package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sync/semaphore"

	"bcc/aggregate"
	"bcc/cohort"
	"bcc/deepzoom"
	"bcc/fault"
	"bcc/report"
	"bcc/wsi"
)

// tiles makes what viewers ask for and keeps what was asked for last.
type tiles struct {
	results *results
	shelf   *shelf
	made    *lru[[]byte]
	heats   *lru[*deepzoom.Heat]
	room    *semaphore.Weighted // tiles that are being made: inference needs the cores too
	metrics *metrics
}

const keptHeats = 64 << 20 // bytes of heat maps; a slide has 0.1 to 2 MB

func newTiles(cfg Config, r *results, m *metrics) *tiles {
	return &tiles{
		results: r, shelf: newShelf(cfg), made: newLRU[[]byte](cfg.TileCache), heats: newLRU[*deepzoom.Heat](keptHeats),
		metrics: m,
		room:    semaphore.NewWeighted(int64(max(runtime.GOMAXPROCS(0)/2, 1))),
	}
}

func (t *tiles) close() { t.shelf.clear() }

// place is a tile as its address names it.
type place struct{ level, x, y int }

// parsePlace reads {level}/{x}_{y}.ext. What no viewer asks for is not there.
func parsePlace(c *call, ext string) (p place, err error) {
	name, ok := strings.CutSuffix(c.PathValue("tile"), ext)
	x, y, two := strings.Cut(name, "_")
	number := func(s string) int {
		n, e := strconv.Atoi(s)
		if e != nil || strconv.Itoa(n) != s || n < 0 || n > 1<<24 {
			ok = false
		}
		return n
	}
	p = place{number(c.PathValue("level")), number(x), number(y)}
	if !ok || !two {
		return p, notFound("tile")
	}
	return p, nil
}

// slideDZI answers GET /slides/{id}/slide.dzi.
func (s *Server) slideDZI(c *call) error {
	_, sha, err := c.shown()
	if err != nil {
		return err
	}
	return s.tiles.shelf.with(c.Context(), sha, func(p *deepzoom.Pyramid) error {
		return c.sendTile("application/xml", `"`+sha[:32]+`-dzi"`, p.DZI())
	})
}

// slideTile answers GET /slides/{id}/slide_files/{level}/{x}_{y}.jpg.
func (s *Server) slideTile(c *call) error {
	_, sha, err := c.shown()
	if err != nil {
		return err
	}
	p, err := parsePlace(c, ".jpg")
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%s-%d-%d-%d", sha[:32], p.level, p.x, p.y)
	return s.tiles.send(c, "image/jpeg", key, func(ctx context.Context) (data []byte, err error) {
		err = s.tiles.shelf.with(ctx, sha, func(pyramid *deepzoom.Pyramid) error {
			data, err = pyramid.JPEG(ctx, p.level, p.x, p.y)
			return err
		})
		return data, err
	})
}

// heatDZI answers GET /slides/{id}/heatmap.dzi.
func (s *Server) heatDZI(c *call) error {
	result, _, err := c.judged()
	if err != nil {
		return err
	}
	if _, err := threshold(c); err != nil {
		return err
	}
	h, err := s.tiles.heat(c.Context(), result)
	if err != nil {
		return err
	}
	return c.sendTile("application/xml", `"`+result[:32]+`-dzi"`, h.DZI())
}

// heatTile answers GET /slides/{id}/heatmap_files/{level}/{x}_{y}.png.
func (s *Server) heatTile(c *call) error {
	result, _, err := c.judged()
	if err != nil {
		return err
	}
	p, err := parsePlace(c, ".png")
	if err != nil {
		return err
	}
	from, err := threshold(c)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%s-%d-%d-%d-%d", result[:32], from, p.level, p.x, p.y)
	return s.tiles.send(c, "image/png", key, func(ctx context.Context) ([]byte, error) {
		h, err := s.tiles.heat(ctx, result)
		if err != nil {
			return nil, err
		}
		return h.Tile(p.level, p.x, p.y, float64(from)/100)
	})
}

// threshold reads the value below which a heat map is transparent, in hundredths: a
// slider has no finer steps, and each step is a tile of its own in the cache.
func threshold(c *call) (hundredths int, err error) {
	text := c.URL.Query().Get("threshold")
	if text == "" {
		return 0, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, fault.New(fault.Invalid, "threshold %q: want 0 to 1", short(text))
	}
	return int(v*100 + 0.5), nil
}

// shown returns a slide whose file is in the store.
func (c *call) shown() (st cohort.Status, sha string, err error) {
	if st, err = c.slideOf(); err != nil {
		return st, "", err
	}
	sha = st.Slide.SHA256
	if st.End != nil && st.End.SHA256 != "" {
		sha = st.End.SHA256
	}
	if !isDigest(sha) {
		return st, "", refuse(http.StatusNotFound, "", "this slide has not been fetched yet")
	}
	return st, sha, nil
}

// judged returns the key of a slide's result.
func (c *call) judged() (result string, st cohort.Status, err error) {
	if st, err = c.slideOf(); err != nil {
		return "", st, err
	}
	if st.State != cohort.Done || st.End == nil || !isDigest(st.End.Result) {
		return "", st, refuse(http.StatusNotFound, "", "this slide has no result: it is %s", st.State)
	}
	return st.End.Result, st, nil
}

// send answers with a tile: the client's own, a kept one, or one that is made now.
func (t *tiles) send(c *call, kind, key string, make func(context.Context) ([]byte, error)) error {
	etag := `"` + key + `"`
	if c.Request.Header.Get("If-None-Match") == etag {
		return c.sendTile(kind, etag, nil)
	}
	if data, ok := t.made.get(key); ok {
		t.metrics.tiles.WithLabelValues("cache").Inc()
		return c.sendTile(kind, etag, data)
	}
	if err := t.room.Acquire(c.Context(), 1); err != nil {
		return errGone
	}
	data, err := make(c.Context())
	t.room.Release(1)
	if err != nil {
		return err
	}
	t.metrics.tiles.WithLabelValues("made").Inc()
	t.made.put(key, data, int64(len(data)+len(key)))
	return c.sendTile(kind, etag, data)
}

// sendTile answers with something that never changes under its address. The key's
// owner may keep it for an hour; nobody between may.
func (c *call) sendTile(kind, etag string, data []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Etag", etag)
	h.Set("Cache-Control", "private, max-age=3600")
	w := writer{c}
	if c.Request.Header.Get("If-None-Match") == etag {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(data)
	return nil
}

// heat returns the heat map of a result, made anew from its files.
func (t *tiles) heat(ctx context.Context, key string) (*deepzoom.Heat, error) {
	if h, ok := t.heats.get(key); ok {
		return h, nil
	}
	r, err := t.results.result(ctx, key)
	if err != nil {
		return nil, err
	}
	table, _, err := t.results.file(ctx, key, report.PatchesFile)
	if err != nil {
		return nil, err
	}
	rects, values, err := report.ReadPatches(bytes.NewReader(table))
	if err != nil {
		return nil, fault.New(fault.Internal, "read %s: %w", report.PatchesFile, err)
	}
	grid, err := report.Grid(*r, rects)
	if err != nil {
		return nil, fault.New(fault.Internal, "lay out the patches: %w", err)
	}
	m, err := aggregate.NewHeatmap(grid, values)
	if err != nil {
		return nil, err
	}
	g := deepzoom.NewGeometry(wsi.Size{W: r.Slide.WidthPx, H: r.Slide.HeightPx}, tilePx, tileOverlap)
	h, err := deepzoom.NewHeat(g, deepzoom.Cells{Bounds: m.Bounds(), Cols: m.Cols, Rows: m.Rows, Values: m.Vote}, report.HeatColour)
	if err != nil {
		return nil, err
	}
	t.heats.put(key, h, int64(4*len(m.Vote)+1<<10))
	return h, nil
}
