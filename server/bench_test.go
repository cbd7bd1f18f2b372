package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"

	"bcc/aggregate"
	"bcc/report"
	"bcc/server"
)

// BenchmarkPredict is what the server adds to a look at a 224-px JPEG: the Looker
// answers at once. The client writes prepared bytes and reads up to the body's end,
// so that nearly all that is counted is the server's.
func BenchmarkPredict(b *testing.B) {
	answer := server.Look{Result: report.Result{
		Prediction: aggregate.BCC, Score: 0.9123, Confidence: 0.9123,
		Slide: report.Slide{Name: "tile.jpg", SHA256: strings.Repeat("ab", 32), Format: "jpeg", WidthPx: 224, HeightPx: 224, MPPUM: 0.5},
		Model: report.Model{Name: "bcc-demo", Version: "1.0.0", SHA256: strings.Repeat("cd", 32), PatchSizePx: 224, MPPUM: 0.5},
	}}
	body, kind := formOf(b, jpegTile(b), "tile.jpg")
	request := fmt.Appendf(nil, "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, body.Len(), body)
	for _, clients := range []int{1, 16} {
		b.Run("clients="+strconv.Itoa(clients), func(b *testing.B) {
			s := newServer(b, func(c *server.Config) {
				c.Logger = slog.New(slog.DiscardHandler)
				c.Looker = looker{look: func(context.Context, server.Picture) (server.Look, error) { return answer, nil }}
			})
			b.ReportAllocs()
			b.SetParallelism(clients) // times GOMAXPROCS
			if clients == 1 {
				c := s.dialer(b)
				for b.Loop() {
					c.ask(b, request)
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				c := s.dialer(b)
				for pb.Next() {
					c.ask(b, request)
				}
			})
		})
	}
}

type lean struct {
	net.Conn
	r *bufio.Reader
}

func (s *site) dialer(b *testing.B) *lean {
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return &lean{c, bufio.NewReader(c)}
}

// ask sends a request and reads the answer.
func (c *lean) ask(b *testing.B, request []byte) {
	if _, err := c.Write(request); err != nil {
		b.Fatal(err)
	}
	length := 0
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			b.Fatalf("%s", line)
		}
		if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(n)))
		}
		if len(line) == 2 {
			break
		}
	}
	if _, err := c.r.Discard(length); err != nil {
		b.Fatal(err)
	}
}

// jpegTile is a noisy picture of some 20 kB, as patches of tissue have.
func jpegTile(b testing.TB) []byte {
	m := image.NewRGBA(image.Rect(0, 0, 224, 224))
	rng := rand.New(rand.NewPCG(1, 2))
	for y := range 224 {
		for x := range 224 {
			v := uint8(rng.IntN(60))
			m.SetRGBA(x, y, color.RGBA{180 + v, 100 + v/2, 150 + v, 255})
		}
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: 80}); err != nil {
		b.Fatal(err)
	}
	return buf.Bytes()
}
