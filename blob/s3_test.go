package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/prometheus/client_golang/prometheus"

	"bcc/blob"
	"bcc/blob/blobtest"
	"bcc/fault"
)

// bucket is a server of its own with a bucket, and what stands in front of it.
type bucket struct {
	cfg blob.S3Config
	// before may answer a request itself, and returns true then.
	before   atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
	handler  http.Handler
	requests atomic.Int64
}

func (b *bucket) intercept(f func(http.ResponseWriter, *http.Request) bool) { b.before.Store(&f) }

func newBucket(t testing.TB) *bucket {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("slides"); err != nil {
		t.Fatal(err)
	}
	b := &bucket{handler: gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.requests.Add(1)
		if f := b.before.Load(); f != nil && (*f)(w, r) {
			return
		}
		if !b.refuse(w, r) {
			b.handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	b.cfg = blob.DefaultS3Config()
	b.cfg.Bucket, b.cfg.Endpoint, b.cfg.PathStyle = "slides", server.URL, true
	b.cfg.AccessKey, b.cfg.SecretKey = "key", "secret"
	b.cfg.PartBytes, b.cfg.Pause = 5<<20, 20*time.Millisecond
	return b
}

// refuse answers conditions that S3 knows and this server does not: If-Match of a
// range, If-None-Match at the end of an upload in parts.
func (b *bucket) refuse(w http.ResponseWriter, r *http.Request) bool {
	match, complete := r.Header.Get("If-Match"), r.Method == http.MethodPost && r.Header.Get("If-None-Match") == "*"
	if match == "" && !complete {
		return false
	}
	head := httptest.NewRecorder()
	b.handler.ServeHTTP(head, httptest.NewRequest(http.MethodHead, r.URL.Path, nil))
	if complete && head.Code == http.StatusNotFound || !complete && head.Header().Get("ETag") == match {
		return false
	}
	w.WriteHeader(http.StatusPreconditionFailed)
	fmt.Fprint(w, "<Error><Code>PreconditionFailed</Code></Error>")
	return true
}

func (b *bucket) open(t testing.TB) *blob.S3Store {
	t.Helper()
	s, err := blob.OpenS3(b.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestABucketKeepsObjects(t *testing.T) {
	t.Parallel()
	blobtest.Exercise(t, 11<<20, func(t *testing.T) blob.Store {
		b := newBucket(t)
		b.cfg.Prefix = "lab/one"
		b.cfg.Registerer = prometheus.NewRegistry()
		return b.open(t)
	})
}

func TestSmallObjectsTakeOneRequest(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	s := b.open(t)
	if err := s.Put(t.Context(), "x", strings.NewReader("text")); err != nil {
		t.Fatal(err)
	}
	if got, err := blob.Read(t.Context(), s, "x", 10); string(got) != "text" || err != nil {
		t.Fatal(got, err)
	}
	if n := b.requests.Load(); n != 2 {
		t.Errorf("%d requests for one write and one read", n)
	}
}

func TestASlideIsReadByRangesAndBlocksAreKept(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	s := b.open(t)
	want := blobtest.Bytes(1, 20<<20)
	if err := s.Put(t.Context(), "slide", bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), "slide")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	b.requests.Store(0)
	tile := make([]byte, 20_000)
	for range 3 {
		for at := int64(10<<20 + 7); at < 11<<20; at += 60_000 { // tiles that lie near each other
			if _, err := o.ReadAt(tile, at); err != nil || !bytes.Equal(tile, want[at:at+20_000]) {
				t.Fatalf("tile at %d: %v", at, err)
			}
		}
	}
	if n := b.requests.Load(); n > 2 {
		t.Errorf("%d requests for the tiles of two blocks", n)
	}
	b.requests.Store(0)
	got, err := io.ReadAll(o.Reader())
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if n := b.requests.Load(); n > 21 {
		t.Errorf("%d requests for 20 blocks", n)
	}
}

func TestReadingGoesOnWhenTheContextOfOpeningEndedAndStopsWithClose(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	s := b.open(t)
	if err := s.Put(t.Context(), "slide", bytes.NewReader(make([]byte, 4<<20))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o, err := s.Open(ctx, "slide")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := o.ReadAt(make([]byte, 10), 1<<20); err != nil {
		t.Fatal(err)
	}
	asked, release := make(chan bool, 9), make(chan bool)
	defer close(release)
	b.intercept(func(http.ResponseWriter, *http.Request) bool { asked <- true; <-release; return true })
	read := make(chan error)
	go func() { _, err := o.ReadAt(make([]byte, 10), 3<<20); read <- err }()
	<-asked
	o.Close()
	if err := <-read; err == nil {
		t.Error("a read that waited when the object was closed ended well")
	}
	if _, err := o.ReadAt(make([]byte, 10), 2<<20); err == nil {
		t.Error("a closed object was read")
	}
}

func TestAnObjectThatChangesIsNotReadAsAMixture(t *testing.T) {
	t.Parallel()
	s := newBucket(t).open(t)
	put := func(seed uint64) {
		if err := s.Put(t.Context(), "slide", bytes.NewReader(blobtest.Bytes(seed, 4<<20))); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	o, err := s.Open(t.Context(), "slide")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	put(2)
	if _, err := o.ReadAt(make([]byte, 10), 3<<20); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v, want unavailable", err)
	}
}

func TestAnAnswerThatBreaksOffIsAskedForAgain(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	s := b.open(t)
	want := blobtest.Bytes(3, 3<<20)
	if err := s.Put(t.Context(), "slide", bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), "slide")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var broke atomic.Int64
	b.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if broke.Add(1) > 2 {
			return false
		}
		answer := httptest.NewRecorder()
		b.handler.ServeHTTP(answer, r)
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes()[:1000])
		panic(http.ErrAbortHandler)
	})
	got := make([]byte, 100)
	if _, err := o.ReadAt(got, 2<<20); err != nil || !bytes.Equal(got, want[2<<20:2<<20+100]) {
		t.Errorf("%v, or other bytes", err)
	}
	if broke.Load() != 3 {
		t.Errorf("%d requests, want 3", broke.Load())
	}
}

// answerLost passes the request on and breaks the connection in place of the answer.
func (b *bucket) answerLost(r *http.Request) {
	b.handler.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// A slide whose store is away has not become shorter.
func TestAConnectionThatEndsIsNotTheEndOfAnObject(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	s := b.open(t)
	if err := s.Put(t.Context(), "slides/a", bytes.NewReader(blobtest.Bytes(3, 3<<20))); err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func(http.ResponseWriter){
		"before it begins": func(http.ResponseWriter) {},
		"in the middle": func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 1048576-2097151/%d", 3<<20))
			w.Header().Set("Content-Length", fmt.Sprint(1<<20))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, 1000))
			_ = http.NewResponseController(w).Flush()
		},
	} {
		o, err := s.Open(t.Context(), "slides/a")
		if err != nil {
			t.Fatal(err)
		}
		b.intercept(func(w http.ResponseWriter, r *http.Request) bool {
			answer(w)
			panic(http.ErrAbortHandler)
		})
		_, err = o.ReadAt(make([]byte, 1000), 1<<20)
		if fault.Of(err) != fault.Unavailable || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v, want that the store is away, and no end of the object", name, err)
		}
		b.intercept(func(http.ResponseWriter, *http.Request) bool { return false })
		o.Close()
	}
}

func TestACreatorWhoseAnswerWasLostHasWon(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"whole": 100, "in parts": 6 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBucket(t)
			s := b.open(t)
			var lost sync.Once
			b.intercept(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut && size < 1<<20 || r.URL.Query().Has("uploadId") && r.Method == http.MethodPost {
					lost.Do(func() { b.answerLost(r) })
				}
				return false
			})
			if err := s.Create(t.Context(), "end.json", bytes.NewReader(blobtest.Bytes(1, size))); err != nil {
				t.Errorf("%v: it was the first", err)
			}
			if err := s.Create(t.Context(), "end.json", strings.NewReader("other")); !errors.Is(err, blob.ErrExists) {
				t.Errorf("the second: %v, want ErrExists", err)
			}
		})
	}
}

func TestAServerThatDoesNotAnswerIsUnavailableWithinABound(t *testing.T) {
	t.Parallel()
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close() // refuses from now on
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // the context ends with the client only when the body was read
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(broken.Close)
	for name, endpoint := range map[string]string{"refused": "http://" + nobody.Addr().String(), "silent": silent.URL, "broken": broken.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := newBucket(t).cfg
			cfg.Endpoint, cfg.Timeout, cfg.Attempts = endpoint, 100*time.Millisecond, 2
			s, err := blob.OpenS3(cfg)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			_, open := s.Open(t.Context(), "x")
			for what, err := range map[string]error{
				"check": s.Check(t.Context()), "open": open, "put": s.Put(t.Context(), "x", strings.NewReader("x")),
				"delete": s.Delete(t.Context(), "x"),
			} {
				if fault.Of(err) != fault.Unavailable {
					t.Errorf("%s: %v (%v), want unavailable", what, err, fault.Of(err))
				}
			}
			if took := time.Since(begun); took > 8*time.Second {
				t.Errorf("four operations took %v", took)
			}
		})
	}
}

func TestWhatTheOperatorCanMendIsUnavailableWithAHint(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{"AccessDenied": 403, "NoSuchBucket": 404, "XAdminUserNotFound": 404, "RequestTimeTooSkewed": 403} {
		b := newBucket(t)
		b.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
			return true
		})
		err := b.open(t).Put(t.Context(), "x", strings.NewReader("x"))
		if fault.Of(err) != fault.Unavailable || fault.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %q), want unavailable with a hint", code, err, fault.HintOf(err))
		}
		if text := err.Error(); !strings.HasSuffix(text, code+": no") || strings.Contains(text, "RequestID") {
			t.Errorf("%s is told as %q", code, text)
		}
	}
}

// A server whose clock is two hours ahead refuses what we sign by ours, and says what
// time it has: that is taken, also for what comes after.
func TestAClockTwoHoursOffIsMadeUpFor(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	now := func() time.Time { return time.Now().UTC().Add(2 * time.Hour) }
	var refused, taken atomic.Int64
	b.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Date", now().Format(http.TimeFormat))
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Errorf("signed at %q", r.Header.Get("X-Amz-Date"))
		}
		if off := now().Sub(signed).Abs(); off < 15*time.Minute {
			taken.Add(1)
			r.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z")) // the server behind has our clock
			return false
		}
		refused.Add(1)
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>RequestTimeTooSkewed</Code><Message>no</Message></Error>")
		return true
	})
	store := b.open(t)
	for _, key := range []string{"x", "y", "z"} {
		if err := store.Create(t.Context(), key, strings.NewReader(key)); err != nil {
			t.Fatal(err)
		}
		o, err := store.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		o.Close()
	}
	t.Logf("%d refused, %d taken", refused.Load(), taken.Load())
	if refused.Load() == 0 || refused.Load() > 6 || taken.Load() < 6 {
		t.Errorf("%d refused, %d taken", refused.Load(), taken.Load())
	}
}

func TestAFailedUploadInPartsIsFreed(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	var aborted atomic.Bool
	b.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && r.URL.Query().Has("uploadId") {
			aborted.Store(true)
		}
		if r.URL.Query().Get("partNumber") == "2" {
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		return false
	})
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 11<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.open(t).Adopt(t.Context(), "x", path); err == nil {
		t.Error("it ended well")
	}
	if !aborted.Load() {
		t.Error("the parts stay at the server")
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the file is gone, the object is not there")
	}
}

func TestPartsOfAKilledWriterAreFreedByTheNext(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	killed := b.open(t)
	began, once := make(chan struct{}), sync.Once{}
	ctx, kill := context.WithCancel(t.Context())
	b.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPut && r.URL.Query().Get("partNumber") == "2":
			io.Copy(io.Discard, r.Body) // the context ends with the client only when the body was read
			once.Do(func() { close(began) })
			<-r.Context().Done()
			return true
		case r.Method == http.MethodDelete: // the dead free nothing
			panic(http.ErrAbortHandler)
		}
		return false
	})
	done := make(chan error, 1)
	go func() { done <- killed.Put(ctx, "slides/a", bytes.NewReader(blobtest.Bytes(1, 12<<20))) }()
	<-began
	kill()
	<-done
	b.intercept(func(http.ResponseWriter, *http.Request) bool { return false })
	if n := b.unfinished(t); n != 1 {
		t.Fatalf("%d unfinished uploads are left by a killed writer, want 1", n)
	}
	if err := b.open(t).Put(t.Context(), "slides/a", bytes.NewReader(blobtest.Bytes(1, 12<<20))); err != nil {
		t.Fatal(err)
	}
	if n := b.unfinished(t); n != 0 {
		t.Errorf("%d unfinished uploads are left after the next writer", n)
	}
}

// unfinished is how many uploads in parts the bucket keeps.
func (b *bucket) unfinished(t *testing.T) int {
	t.Helper()
	answer := httptest.NewRecorder()
	b.handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/slides?uploads", nil))
	if answer.Code != http.StatusOK {
		t.Fatal(answer.Body)
	}
	return strings.Count(answer.Body.String(), "<UploadId>")
}

func TestAServerMayTakeItsTimeToJoinParts(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	b.cfg.Timeout, b.cfg.Attempts = 200*time.Millisecond, 3
	var joins atomic.Int64
	b.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
			joins.Add(1)
			time.Sleep(500 * time.Millisecond)
		}
		return false
	})
	if err := b.open(t).Put(t.Context(), "x", bytes.NewReader(make([]byte, 6<<20))); err != nil || joins.Load() != 1 {
		t.Errorf("%v after %d requests to join, want one that is waited for", err, joins.Load())
	}
}

func TestASpoolGoesOnWithoutTheBucket(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	b.cfg.Attempts = 1
	s := b.open(t)
	cfg := blob.DefaultSpoolConfig()
	cfg.Pause = 5 * time.Millisecond
	spool, err := blob.NewSpool(s, t.TempDir(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	b.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	if err := blob.WriteSet(t.Context(), spool, "results/k", resultFiles(t)); err != nil {
		t.Fatal(err)
	}
	if err := spool.Create(t.Context(), "ends/0.json", strings.NewReader("end")); err != nil {
		t.Fatal(err)
	}
	if err := blob.CheckSet(t.Context(), spool, "results/k"); err != nil {
		t.Errorf("read while the bucket is lost: %v", err)
	}
	b.before.Store(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	go func() {
		for n, _ := spool.Waiting(); n > 0 && ctx.Err() == nil; n, _ = spool.Waiting() {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := spool.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := blob.CheckSet(t.Context(), s, "results/k"); err != nil {
		t.Error(err)
	}
	if got, err := blob.Read(t.Context(), s, "ends/0.json", 10); string(got) != "end" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCredentialsAreNotShown(t *testing.T) {
	t.Parallel()
	cfg := newBucket(t).cfg
	if text := fmt.Sprint(cfg.LogValue()); strings.Contains(text, cfg.SecretKey) || strings.Contains(text, cfg.Endpoint) {
		t.Error(text)
	}
}

func TestARoleIsAskedAgainWhenItsKeysEnd(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	var signed atomic.Value
	b.intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		signed.Store(r.Header.Get("Authorization") + " " + r.Header.Get("X-Amz-Security-Token"))
		return false
	})
	var asked atomic.Int64
	b.cfg.AccessKey, b.cfg.SecretKey = "", ""
	b.cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		n := asked.Add(1)
		if n > 2 {
			return aws.Credentials{}, errors.New("no role found")
		}
		return aws.Credentials{AccessKeyID: fmt.Sprintf("ROLE%d", n), SecretAccessKey: "s", SessionToken: fmt.Sprintf("token%d", n), CanExpire: true, Expires: time.Now().Add(-time.Minute)}, nil
	})
	store, err := blob.OpenS3(b.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		if err := store.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := signed.Load().(string); !strings.Contains(s, fmt.Sprintf("Credential=ROLE%d/", n+1)) || !strings.HasSuffix(s, fmt.Sprintf(" token%d", n+1)) {
			t.Errorf("request %d was signed %s", n+1, s)
		}
	}
	if err := store.Check(t.Context()); fault.Of(err) != fault.Unavailable || fault.HintOf(err) == "" || !strings.Contains(err.Error(), "no role found") {
		t.Errorf("without a role: %v (%v, hint %q)", err, fault.Of(err), fault.HintOf(err))
	}
}

func TestBucketsOpenObjectsAsStreams(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	if err := b.open(t).Put(t.Context(), "a/b.tif", strings.NewReader("slide")); err != nil {
		t.Fatal(err)
	}
	cfg := b.cfg
	cfg.Bucket = ""
	all, err := blob.OpenBuckets(cfg)
	if err != nil {
		t.Fatal(err)
	}
	body, n, err := all.OpenS3(t.Context(), "slides", "a/b.tif")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); string(got) != "slide" || n != 5 || err != nil {
		t.Errorf("%q of %d, %v", got, n, err)
	}
	if _, _, err := all.OpenS3(t.Context(), "slides", "none"); fault.Of(err) != fault.NotFound {
		t.Errorf("%v, want not found", err)
	}
}
