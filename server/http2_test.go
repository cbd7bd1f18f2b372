package server_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bcc/server"
)

func TestItSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	certified := httptest.NewTLSServer(nil) // for its certificate
	defer certified.Close()
	s := serveOn(t, func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}})
	}, func(c *server.Config) { c.BodyWindow = 300 * time.Millisecond })
	transport := certified.Client().Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = true
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	url := strings.Replace(s.url, "http:", "https:", 1)
	send := func(path, kind string, body io.Reader) *http.Response {
		r, _ := http.NewRequestWithContext(t.Context(), "POST", url+path, body)
		r.Header.Set("Content-Type", kind)
		res, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		res.Body.Close()
		return res
	}
	form, kind := formOf(t, patchPicture(t), "p.png")
	res := send("/predict", kind, form)
	if res.ProtoMajor != 2 || res.StatusCode != 200 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s %d %v", res.Proto, res.StatusCode, res.Header)
	}
	stalled, w := io.Pipe()
	defer w.Close()
	go io.WriteString(w, part+"\x89PNG\r\n\x1a\n")
	if res := send("/predict", "multipart/form-data; boundary=b", stalled); res.StatusCode != 408 {
		t.Errorf("a body that stalls: %d", res.StatusCode)
	}
	// A stream that is silent for longer than an answer may go unread lives on.
	hold, kind := formOf(t, slidePicture(t), "hold.png", "mpp_um", "4")
	r, _ := http.NewRequest("POST", url+"/predict", hold)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Prefer", "respond-async")
	if res, err := client.Do(r); err != nil || res.StatusCode != 202 {
		t.Fatal(res, err)
	} else if res, err = client.Get(url + res.Header.Get("Location") + "/events"); err != nil {
		t.Fatal(err)
	} else {
		time.AfterFunc(700*time.Millisecond, s.stop)
		text, err := io.ReadAll(res.Body)
		if err != nil || !strings.HasSuffix(strings.TrimSpace(string(text)), "shutting down") {
			t.Errorf("%v after %q", err, text)
		}
	}
	<-s.ended
}
