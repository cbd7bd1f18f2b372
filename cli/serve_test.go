package cli_test

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// getCommand is get ADDRFILE PATH STATUS [KEYFILE]: it asks the server whose address
// stands in a file, for which it waits, and prints the answer. The status must be the
// one named.
func getCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: get ADDRFILE PATH STATUS [KEYFILE]")
	}
	status, err := strconv.Atoi(args[2])
	ts.Check(err)
	req, err := http.NewRequest(http.MethodGet, "http://"+addressIn(ts, ts.MkAbs(args[0]))+args[1], nil)
	ts.Check(err)
	if len(args) == 4 {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(ts.ReadFile(args[3])))
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	_, err = io.Copy(ts.Stdout(), io.LimitReader(res.Body, 1<<20))
	ts.Check(err)
	if res.StatusCode != status {
		ts.Fatalf("GET %s: %s, want %d", args[1], res.Status, status)
	}
}

// addressIn waits until a server has written its address.
func addressIn(ts *testscript.TestScript, path string) string {
	for range 1000 {
		text, err := os.ReadFile(path)
		if err == nil {
			return strings.TrimSpace(string(text))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			ts.Check(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("no server wrote its address to %s", path)
	return ""
}
