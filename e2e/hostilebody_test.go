//go:build e2e

package e2e

import (
	"bytes"
	"compress/zlib"
	endian "encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const filePart = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"Anna-Muster.png\"\r\n\r\n"

// TestHostileBodiesAreRefused sends bodies that are not what was announced, and forms
// that are made to be dear.
func TestHostileBodiesAreRefused(t *testing.T) {
	s := attack(t)
	s.quietly(t)
	others := s.bystander()
	const multi = "Content-Type: multipart/form-data; boundary=b\r\n"
	send := func(path, head, body string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + head + "\r\n" + body
	}
	png := string(picture(224))
	for what, text := range map[string]string{
		"a form shorter than announced":   send("/predict", multi+"Content-Length: 1000000\r\n", filePart+png),
		"a slide shorter than announced":  send("/slides", "Content-Type: image/png\r\nContent-Length: 1000000\r\n", png),
		"JSON shorter than announced":     send("/cohorts", "Content-Type: application/json\r\nContent-Length: 100\r\n", "{"),
		"CSV shorter than announced":      send("/cohorts", "Content-Type: text/csv\r\nContent-Length: 100\r\n", "url\n"),
		"a batch shorter than announced":  send("/predict/batch", "Content-Type: application/json\r\nContent-Length: 100\r\n", "{"),
		"chunks that end before the last": send("/predict", multi+"Transfer-Encoding: chunked\r\n", "5\r\n--b\r\n\r\n"),
		"a chunk that is none":            send("/predict", multi+"Transfer-Encoding: chunked\r\n", "xyz\r\n"),
		"a chunk shorter than it says":    send("/slides", "Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n", "fffff\r\n"+png),
	} {
		if got := s.cut(t, text); !strings.HasPrefix(got, "HTTP/1.1 400") || !strings.Contains(got, `"request_id"`) {
			t.Errorf("%s: %.300q", what, got)
		}
	}
	// What is longer than announced is the beginning of a next request, and none.
	got := s.raw(t, send("/cohorts", "Content-Type: application/json\r\nContent-Length: 2\r\n", "{}GARBAGE /machine\r\n\r\n"))
	if strings.Count(got, "HTTP/1.1 ") != 2 || strings.Count(got, "HTTP/1.1 400") != 2 {
		t.Errorf("a body longer than announced: %.400q", got)
	}
	form := filePart + png + "\r\n--b--\r\n"
	got = s.raw(t, send("/predict", multi+fmt.Sprintf("Content-Length: %d\r\n", len(form)), form+strings.Repeat("x", 1<<20)))
	if !strings.HasPrefix(got, "HTTP/1.1 200") || strings.Count(got, " 200 OK\r\n") != 1 {
		t.Errorf("a form longer than announced: %.300q", got)
	}
	got = s.raw(t, send("/slides", "Content-Type: image/png\r\nContent-Length: 99999999999999\r\n", ""))
	if !strings.HasPrefix(got, "HTTP/1.1 413") {
		t.Errorf("100 TB announced: %.300q", got)
	}

	field := "--b\r\nContent-Disposition: form-data; name=\"overlap\"\r\n\r\n1\r\n"
	nested := "--b\r\nContent-Disposition: form-data; name=\"file\"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n" + strings.Repeat("--c\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n", 100_000)
	var slowest time.Duration
	for what, body := range map[string]io.Reader{
		"1,000,000 parts":               times("--b\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n\r\n", 1_000_000),
		"1,000,000 files":               times(filePart+png[:8]+"\r\n", 1_000_000),
		"100,000 fields":                times(field, 100_000),
		"100,000 fields that are other": &fields{},
		"a part's header of 64 MB":      io.MultiReader(strings.NewReader("--b\r\nX-A: "), times("x", 64<<20)),
		"1,000,000 headers of a part":   io.MultiReader(strings.NewReader("--b\r\n"), times("X-A: y\r\n", 1_000_000)),
		"a field of 64 MB":              io.MultiReader(strings.NewReader(strings.TrimSuffix(field, "1\r\n")), times("1", 64<<20)),
		"100,000 forms inside":          strings.NewReader(nested),
		"dashes":                        times("--", 16<<20),
		"boundaries without ends":       times("\r\n--b", 4<<20),
		"nothing":                       strings.NewReader(""),
	} {
		a := s.pour(t, "/predict", "multipart/form-data; boundary=b", body)
		slowest = max(slowest, a.took)
		a.refused(t, what, 400, 413, 415)
	}
	for what, c := range map[string][2]string{
		"JSON 100,000 deep":                     {"application/json", strings.Repeat("[", 100_000)},
		"JSON 100,000 deep and closed":          {"application/json", strings.Repeat(`{"slides":[`, 50_000) + strings.Repeat("]}", 50_000)},
		"a number of a million digits":          {"application/json", `{"slides":[{"upload":"` + strings.Repeat("0", 64) + `","mpp_um":1` + strings.Repeat("0", 1_000_000) + `}]}`},
		"a field given twice":                   {"application/json", `{"slides":[],"Slides":[]}`},
		"a million slides":                      {"application/json", `{"slides":[` + strings.Repeat("{},", 1_000_000) + `{}]}`},
		"ten million slides":                    {"application/json", `{"slides":[` + strings.Repeat("{},", 10_000_000) + `{}]}`},
		"CSV of a million lines":                {"text/csv", "url\n" + strings.Repeat("x\n", 1_000_000)},
		"CSV with a cell of 16 MB":              {"text/csv", "url\n\"" + strings.Repeat("x", 16<<20)},
		"CSV with a million columns":            {"text/csv", strings.Repeat("url,", 1_000_000) + "\n"},
		"a name of 1 MB":                        {"application/json", `{"name":"` + strings.Repeat("n", 1<<20) + `","slides":[{"url":"https://a.example/x"}]}`},
		"XML, with an entity that is a million": {"application/xml", `<!DOCTYPE a [<!ENTITY a "aaaa">]><a>&a;</a>`},
	} {
		a := s.pour(t, "/cohorts", c[0], strings.NewReader(c[1]))
		slowest = max(slowest, a.took)
		a.refused(t, what, 400, 403, 413, 415)
	}
	t.Logf("the slowest refusal of a bomb took %v", slowest.Round(time.Millisecond))
	if slowest > 10*time.Second {
		t.Errorf("a refusal took %v", slowest)
	}
	others.report(t, "while bodies lie")
	if others.peak > 400*mb {
		t.Errorf("RSS %d MB", others.peak/mb)
	}
	s.keepsQuiet(t, "Anna-Muster")
}

// times is a text n times over.
func times(text string, n int) io.Reader {
	return io.LimitReader(&over{text: text}, int64(n)*int64(len(text)))
}

type over struct {
	text string
	at   int
}

func (o *over) Read(p []byte) (n int, err error) {
	for n < len(p) {
		m := copy(p[n:], o.text[o.at:])
		n, o.at = n+m, (o.at+m)%len(o.text)
	}
	return n, nil
}

// fields are 100,000 form fields with names of their own.
type fields struct {
	n   int
	buf bytes.Buffer
}

func (f *fields) Read(p []byte) (int, error) {
	for ; f.buf.Len() < len(p) && f.n < 100_000; f.n++ {
		fmt.Fprintf(&f.buf, "--b\r\nContent-Disposition: form-data; name=\"f%d\"\r\n\r\n1\r\n", f.n)
	}
	return f.buf.Read(p)
}

// TestHostileSizesCostNoMemory sends files that are small and unpack to gigabytes, and
// one of 2 GB. Memory of the server is read every 20 ms.
func TestHostileSizesCostNoMemory(t *testing.T) {
	s := attack(t)
	s.quietly(t)
	resting := residentBytes(s.cmd.Process.Pid)

	others := s.bystander()
	for what, bomb := range map[string][]byte{
		"a TIFF of 50,000² in one deflated strip":   tiffBomb(50_000, 50_000, false),
		"a TIFF of 50,000² in deflated tiles":       tiffBomb(50_000, 50_000, true),
		"a TIFF of 3,000² whose strip holds 2.5 GB": tiffBomb(3_000, 3_000, false),
		"a PNG of 50,000²":                          pngBomb(50_000, 50_000),
		"a PNG of 2,000² whose pixels are 2.5 GB":   pngBomb(2_000, 2_000),
		"a PNG of 2³¹-1 squared":                    pngBomb(1<<31-1, 1<<31-1),
	} {
		body, kind := formOf("Anna-Muster.tif", bomb, "mpp_um", "0.5")
		a := s.must(t, "POST", "/predict", body, "Content-Type", kind, "Prefer", "respond-async")
		status := a.status
		if status == http.StatusAccepted {
			id := a.json(t)["id"].(string)
			defer s.must(t, "DELETE", "/cohorts/"+id, nil)
			if strings.Contains(what, "50,000²") { // a blank slide, and a large one: minutes of work that nobody waits for
				time.Sleep(3 * time.Second)
				s.must(t, "DELETE", "/cohorts/"+id, nil)
			} else {
				status = s.ended1(t, a)
			}
		} else {
			a.refused(t, what, 400, 413, 415, 422)
		}
		up, kind := formOf("Anna-Muster.tif", bomb)
		b := s.must(t, "POST", "/slides", up, "Content-Type", kind)
		t.Logf("%s, %.1f MB: predicted %d, uploaded %d", what, float64(len(bomb))/1e6, status, b.status)
		if status >= 500 || b.status >= 500 {
			t.Errorf("%s: %d, %d", what, status, b.status)
		}
	}
	others.report(t, "while bombs go off")
	t.Logf("RSS %d MB at rest, at most %d MB while bombs go off", resting/mb, others.peak/mb)
	if others.peak > resting+512*mb {
		t.Errorf("RSS %d MB", others.peak/mb)
	}

	others = s.bystander()
	resting = residentBytes(s.cmd.Process.Pid)
	for _, path := range []string{"/slides", "/predict"} {
		begun := time.Now()
		head := strings.NewReader(filePart + "II*\x00\x08\x00\x00\x00\x00\x00") // a TIFF whose directory is empty
		a := s.must(t, "POST", path, io.MultiReader(head, io.LimitReader(zeros{}, 2<<30), strings.NewReader("\r\n--b--\r\n")), "Content-Type", "multipart/form-data; boundary=b")
		a.refused(t, "2 GB that are no slide", 415, 422)
		t.Logf("2 GB to %s: %d after %.1f s", path, a.status, time.Since(begun).Seconds())
	}
	others.report(t, "while 2 GB come")
	t.Logf("RSS %d MB before, at most %d MB while 2 GB come", resting/mb, others.peak/mb)
	if others.peak > resting+128*mb {
		t.Errorf("RSS went from %d to %d MB", resting/mb, others.peak/mb)
	}
	s.keepsQuiet(t, "Anna-Muster")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// deflated is n zeros, packed about a thousand times.
func deflated(n int64) []byte {
	var b bytes.Buffer
	w, _ := zlib.NewWriterLevel(&b, zlib.BestCompression)
	_, _ = io.Copy(w, io.LimitReader(zeros{}, n))
	_ = w.Close()
	return b.Bytes()
}

// tiffBomb is an RGB TIFF whose one strip unpacks to 2.5 GB, or whose tiles are all
// the same small piece of file.
func tiffBomb(w, h uint32, tiled bool) []byte {
	le := endian.LittleEndian
	var data []byte
	n := 1
	if tiled {
		const edge = 4096
		data, n = deflated(edge*edge*3), int((w+edge-1)/edge*((h+edge-1)/edge))
	} else {
		data = deflated(2_500_000_000)
	}
	type entry struct {
		tag, kind uint16
		count     uint32
		value     uint32
	}
	at := uint32(8)
	offsets := at + uint32(len(data))
	counts := offsets + uint32(4*n)
	bits := counts + uint32(4*n)
	dir := bits + 8
	list := func(at, single uint32) uint32 {
		if n == 1 {
			return single
		}
		return at
	}
	tags := []entry{{256, 4, 1, w}, {257, 4, 1, h}, {258, 3, 3, bits}, {259, 3, 1, 8}, {262, 3, 1, 2}}
	if tiled {
		tags = append(tags, entry{277, 3, 1, 3}, entry{322, 4, 1, 4096}, entry{323, 4, 1, 4096}, entry{324, 4, uint32(n), list(offsets, at)}, entry{325, 4, uint32(n), list(counts, uint32(len(data)))})
	} else {
		tags = append(tags, entry{273, 4, 1, at}, entry{277, 3, 1, 3}, entry{278, 4, 1, h}, entry{279, 4, 1, uint32(len(data))})
	}
	b := append([]byte("II*\x00"), le.AppendUint32(nil, dir)...)
	b = append(b, data...)
	for range n {
		b = le.AppendUint32(b, at)
	}
	for range n {
		b = le.AppendUint32(b, uint32(len(data)))
	}
	for range 4 {
		b = le.AppendUint16(b, 8)
	}
	b = le.AppendUint16(b, uint16(len(tags)))
	for _, e := range tags {
		b = le.AppendUint16(le.AppendUint16(b, e.tag), e.kind)
		b = le.AppendUint32(le.AppendUint32(b, e.count), e.value)
	}
	return le.AppendUint32(b, 0)
}

// pngBomb is a PNG that says it has w×h pixels and unpacks to 2.5 GB.
func pngBomb(w, h uint32) []byte {
	be := endian.BigEndian
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		b = be.AppendUint32(b, uint32(len(data)))
		b = append(append(b, kind...), data...)
		b = be.AppendUint32(b, crc32.ChecksumIEEE(b[len(b)-len(data)-4:]))
	}
	chunk("IHDR", append(be.AppendUint32(be.AppendUint32(nil, w), h), 8, 2, 0, 0, 0))
	chunk("IDAT", deflated(2_500_000_000))
	chunk("IEND", nil)
	return b
}
