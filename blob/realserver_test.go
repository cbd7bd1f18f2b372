package blob_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bcc/blob"
	"bcc/blob/blobtest"
)

// These tests want the address and credentials of a bucket on a real server, and for
// some of them its process: make e2e-s3 starts one.

func realServer(t *testing.T) blob.S3Config {
	t.Helper()
	cfg := blob.DefaultS3Config()
	cfg.Endpoint, cfg.Bucket = os.Getenv("BCC_S3_ENDPOINT"), os.Getenv("BCC_S3_BUCKET")
	cfg.AccessKey, cfg.SecretKey = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	cfg.PathStyle, cfg.PartBytes = true, 5<<20
	cfg.Prefix = fmt.Sprintf("test-%d", time.Now().UnixNano())
	if cfg.Endpoint == "" {
		t.Skip("BCC_S3_ENDPOINT names no server")
	}
	return cfg
}

func TestRealServerKeepsObjects(t *testing.T) {
	cfg := realServer(t)
	var n atomic.Int64
	blobtest.Exercise(t, 11<<20, func(t *testing.T) blob.Store {
		cfg := cfg
		cfg.Prefix = fmt.Sprintf("%s/%d", cfg.Prefix, n.Add(1))
		s, err := blob.OpenS3(cfg)
		if err == nil {
			err = s.Check(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// TestRealServerFallsSilent stops the server's process, which then takes connections
// and answers nothing.
func TestRealServerFallsSilent(t *testing.T) {
	cfg := realServer(t)
	pid, err := strconv.Atoi(os.Getenv("BCC_S3_PID"))
	if err != nil {
		t.Skip("BCC_S3_PID names no process")
	}
	cfg.Timeout, cfg.Attempts = time.Second, 2
	s, err := blob.OpenS3(cfg)
	if err != nil {
		t.Fatal(err)
	}
	spool, err := blob.NewSpool(s, t.TempDir(), blob.DefaultSpoolConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- spool.Run(ctx) }()
	large := blobtest.Bytes(1, 12<<20)
	put := func(i int) {
		begun := time.Now()
		if err := spool.Put(t.Context(), fmt.Sprintf("x/%d", i), bytes.NewReader(large)); err != nil {
			t.Error(err)
		}
		n, size := spool.Waiting()
		t.Logf("write %d took %v; %d writes of %d bytes wait", i, time.Since(begun).Round(time.Millisecond), n, size)
	}
	put(0)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 4; i++ {
		put(i)
	}
	if len(spool.Degraded()) != 1 {
		t.Errorf("degraded %q", spool.Degraded())
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for n, _ := spool.Waiting(); n > 0 && time.Since(begun) < 30*time.Second; n, _ = spool.Waiting() {
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("all sent after %v", time.Since(begun).Round(time.Millisecond))
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for i := range 4 {
		got, err := blob.Read(t.Context(), s, fmt.Sprintf("x/%d", i), 20<<20)
		if err != nil || !bytes.Equal(got, large) {
			t.Errorf("object %d: %d bytes, %v", i, len(got), err)
		}
	}
}
