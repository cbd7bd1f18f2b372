package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bcc/blob"
	"bcc/cohort"
)

// typed runs a command against the server and returns what it printed.
func (s *serving) typed(t *testing.T, args ...string) (code int, out, log string) {
	t.Helper()
	return typedUntil(t.Context(), append(args, "--server", "http://"+s.addr)...)
}

func typedUntil(ctx context.Context, args ...string) (code int, out, log string) {
	var o, e bytes.Buffer
	code = Run(ctx, args, Streams{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// pictures fills a folder with small slides that differ.
func picturesIn(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range names {
		m := image.NewNRGBA(image.Rect(0, 0, 40+i, 40))
		m.SetNRGBA(i, 0, color.NRGBA{uint8(i), 9, 9, 255})
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ends gives slides of a cohort their ends, as a worker elsewhere would.
func (s *serving) ends(t *testing.T, id string, ends ...cohort.End) {
	t.Helper()
	store, err := blob.Folder(filepath.Join(s.data, "store"))
	if err != nil {
		t.Fatal(err)
	}
	desk := cohort.NewDesk(store, s.queue)
	for i, e := range ends {
		if e.State == "" {
			continue
		}
		if err := desk.End(t.Context(), cohort.Task{Cohort: id, Index: i, SlideID: cohort.SlideID(id, i)}, e); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	isDone   = cohort.End{State: cohort.Done, Prediction: "Non-malignant", Patches: 12, ComputeS: 3}
	isFailed = cohort.End{State: cohort.Failed, Problem: &cohort.Problem{Kind: "unsupported", Code: 415, Message: "a TIFF of 17 channels", Hint: "save it as RGB"}}
	isPoison = cohort.End{State: cohort.Quarantined, Problem: &cohort.Problem{Kind: "corrupt", Code: 422, Message: "the decoder was ended by SIGSEGV"}}
)

func holds(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in\n%s", w, text)
		}
	}
}

// submitted submits and returns the one id that was printed.
func (s *serving) submitted(t *testing.T, args ...string) string {
	t.Helper()
	code, out, log := s.typed(t, append([]string{"submit"}, args...)...)
	id := strings.TrimSpace(out)
	if code != 0 || !cohort.ValidID(id) {
		t.Fatalf("exit code %d, %q: %s", code, out, log)
	}
	return id
}

func TestACohortFromFilesToItsEnd(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	dir := picturesIn(t, "ear.png", "lip.png", "nose.png")
	id := s.submitted(t, "--mpp", "4", "--name", "Tray 4", "--priority", "urgent", "--deadline", "2h", dir)

	code, out, _ := s.typed(t, "status")
	if holds(t, out, "COHORT", id, "Tray 4", "pending, urgent", "3 slides"); code != 0 {
		t.Errorf("exit code %d", code)
	}
	code, out, _ = s.typed(t, "status", id)
	if holds(t, out, id+": Tray 4, 3 slides, urgent, submitted ", ", wanted by ", "0 done, 3 waiting", "NO WORKER"); code != 0 {
		t.Errorf("exit code %d", code)
	}

	code, out, _ = s.typed(t, "status", "--csv", id)
	if lines := strings.Split(out, "\n"); code != 0 || len(lines) != 5 || !strings.HasPrefix(lines[2], id+"-1,lip.png,pending,,,") {
		t.Errorf("the table, exit code %d:\n%s", code, out)
	}

	// Waited for, while it goes on.
	type ended struct {
		code     int
		out, log string
	}
	waits := make(chan ended, 2)
	for _, how := range [][]string{{"status", "--wait", id}, {"status", "--wait", "--json", id}} {
		go func() {
			code, out, log := s.typed(t, how...)
			waits <- ended{code, out, log}
		}()
	}
	s.ends(t, id, isDone, isFailed, isDone)
	for range 2 {
		e := <-waits
		if e.code != 4 {
			t.Errorf("exit code %d, want that of the slide that failed: %s", e.code, e.log)
		}
		holds(t, e.log, "bcc: error: 1 of 3 slides not done", "bcc: hint: bcc retry "+id)
		if !strings.HasPrefix(e.out, "{") {
			holds(t, e.out, "2 done, 1 failed", "24 patches looked at, 6 s of workers' time", "failed       lip.png: a TIFF of 17 channels (save it as RGB)")
			continue
		}
		lines := strings.Split(strings.TrimSpace(e.out), "\n")
		var last statusJSON
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
			t.Fatalf("%v in %s", err, e.out)
		}
		if last.Counts.Done != 2 || last.State != "done" || len(last.Lost) != 1 || last.Lost[0].Name != "lip.png" {
			t.Errorf("the last line says %+v", last)
		}
	}

	// What is there is not sent again; what is done already is known at once.
	if err := os.RemoveAll(filepath.Join(s.data, "incoming")); err != nil { // nothing can be received any more
		t.Fatal(err)
	}
	code, out, log := s.typed(t, "submit", "--json", dir)
	var again struct{ ID string }
	if err := json.Unmarshal([]byte(out), &again); err != nil || code != 0 || again.ID == id {
		t.Errorf("exit code %d, %v in %s: %s", code, err, out, log)
	}

	code, out, log = s.typed(t, "retry", id)
	retried := strings.TrimSpace(out)
	if holds(t, log, "1 slide is tried again as cohort "+retried); code != 0 || !cohort.ValidID(retried) {
		t.Errorf("exit code %d: %q", code, out)
	}
	if code, out, _ := s.typed(t, "status", retried); code != 0 || !strings.Contains(out, "slides of "+id+" tried again") {
		t.Errorf("exit code %d: %s", code, out)
	}
	code, out, _ = s.typed(t, "cancel", retried, again.ID)
	if holds(t, out, retried+": 0 done, 1 cancelled", again.ID+": 0 done, 3 cancelled"); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if code, _, log := s.typed(t, "status", "--wait", again.ID); code != 1 || !strings.Contains(log, "was cancelled") {
		t.Errorf("exit code %d: %s", code, log)
	}
	if code, out, _ := s.typed(t, "retry", "--cancelled", again.ID); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	s.stop()
	if log := s.log.String(); strings.Contains(log, "ear.png") || strings.Contains(log, "lip.png") {
		t.Errorf("a name is logged: %s", log)
	}
}

func TestTheFirstSlideThatIsNotDoneGivesTheCode(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	dir := picturesIn(t, "a.png", "b.png", "c.png")
	for want, ends := range map[int][]cohort.End{
		0: {isDone, isDone, isDone},
		1: {isDone, isPoison, isFailed},
		4: {isFailed, isPoison, isDone},
	} {
		id := s.submitted(t, dir)
		s.ends(t, id, ends...)
		code, out, log := s.typed(t, "status", "--wait", id)
		if code != want {
			t.Errorf("exit code %d, want %d: %s", code, want, log)
		}
		if want > 0 {
			holds(t, out, "quarantined  b.png: the decoder was ended by SIGSEGV")
		}
	}
}

func TestWhoStopsWaitingLeavesTheCohortAlone(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	id := s.submitted(t, picturesIn(t, "a.png"))
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, stop)
	code, _, log := typedUntil(ctx, "status", "--wait", id, "--server", "http://"+s.addr)
	if holds(t, log, id+" goes on without you", "bcc cancel "+id, "bcc: stopped"); code != 130 {
		t.Errorf("exit code %d", code)
	}
	if _, out, _ := s.typed(t, "status", id); !strings.Contains(out, "1 waiting") {
		t.Errorf("it did not go on: %s", out)
	}
}

func TestWhatIsMissingOrNamedTwiceIsTold(t *testing.T) {
	t.Parallel()
	s := startServe(t)
	dir := picturesIn(t, "a.png", "b.png")
	list := filepath.Join(dir, "list.csv")
	lines := "path,mpp_um\na.png,4\nnone.png,\n./a.png,\nb.png,fast\n"
	for i := range 30 {
		lines += fmt.Sprintf("gone-%d.png,\n", i)
	}
	if err := os.WriteFile(list, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, log := s.typed(t, "submit", "--strict", list)
	if code != 2 || out != "" {
		t.Errorf("--strict: exit code %d, %q: %s", code, out, log)
	}
	holds(t, log, "nothing was submitted")
	code, out, log = s.typed(t, "submit", list, dir)
	id := strings.TrimSpace(out)
	if code != 2 || !cohort.ValidID(id) {
		t.Fatalf("exit code %d, %q: %s", code, out, log)
	}
	holds(t, log, "bcc: left out: "+list+", line 3: "+filepath.Join(dir, "none.png")+": no such file", "line 24: ", "and more",
		"bcc: 2 slides are named more than once, each submitted once", "bcc: error: 31 slides are left out: not there", "line 5: mpp_um", "2 slides are submitted")
	if strings.Contains(log, "gone-25") {
		t.Errorf("every one of them is told: %s", log)
	}
	if _, out, _ := s.typed(t, "status", "--json", id); !strings.Contains(out, `"submitted":2`) {
		t.Errorf("it holds %s", out)
	}

	// One that the server does not take leaves the others.
	if err := os.WriteFile(filepath.Join(dir, "broken.png"), []byte("\x89PNG\r\n\x1a\nno slide"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, log = s.typed(t, "submit", dir)
	if holds(t, log, "left out: "+filepath.Join(dir, "broken.png")+": ", "bcc: error: 1 slide is left out: the server"); code != 5 || !cohort.ValidID(strings.TrimSpace(out)) {
		t.Errorf("exit code %d, %q: %s", code, out, log)
	}
	if code, out, log := s.typed(t, "submit", "--strict", dir); code != 5 || out != "" {
		t.Errorf("--strict: exit code %d, %q: %s", code, out, log)
	}
}

func TestAddressesAreHandedOn(t *testing.T) {
	t.Parallel()
	dir := picturesIn(t, "a.png", "b c%.png")
	other := picturesIn(t, "c.png")
	s := startServe(t, "--allow-root", dir, "--allow-root", other)
	id := s.submitted(t, "--upload", "never", dir, "file://"+filepath.Join(other, "c.png"))
	if _, out, _ := s.typed(t, "status", "--json", id); !strings.Contains(out, `"submitted":3`) {
		t.Errorf("it holds %s", out)
	}
	code, _, log := s.typed(t, "submit", "--upload", "never", filepath.Join(dir, "a.png"), "https://169.254.169.254/latest?token=secret")
	if holds(t, log, "2 of 2 slides are not submitted: an address: slide 1: "); code != 2 || strings.Contains(log, "secret") {
		t.Errorf("exit code %d: %s", code, log)
	}
}

// No t.Parallel: the key comes from the environment.
func TestAKeySeesItsOwnCohorts(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var keys [2]string
	for i := range keys {
		code, out, log := typedUntil(t.Context(), "serve", "keys", "make", "--data", data, "--name", fmt.Sprint("lab ", i))
		if keys[i] = strings.TrimSpace(out); code != 0 {
			t.Fatal(log)
		}
	}
	s := startServe(t, "--data", data)
	s.data = data
	dir := picturesIn(t, "a.png")
	code, _, log := s.typed(t, "submit", dir)
	if holds(t, log, "set BCC_KEY to a key of that server"); code != 2 {
		t.Errorf("without a key: exit code %d: %s", code, log)
	}
	t.Setenv("BCC_KEY", keys[0])
	id := s.submitted(t, dir)
	t.Setenv("BCC_KEY", keys[1])
	for _, args := range [][]string{{"status", id}, {"status", "--wait", id}, {"cancel", id}, {"retry", id}, {"status", "nonsense"}, {"cancel", "../../x"}} {
		if code, _, log := s.typed(t, args...); code != 3 || !strings.Contains(log, "no such cohort") {
			t.Errorf("%v with another's key: exit code %d: %s", args, code, log)
		}
	}
	t.Setenv("BCC_KEY", "bcc_wrong")
	code, _, log = s.typed(t, "status")
	if holds(t, log, "the key in BCC_KEY is none of that server"); code != 2 || strings.Contains(log, "bcc_wrong") {
		t.Errorf("with a wrong key: exit code %d: %s", code, log)
	}
}
