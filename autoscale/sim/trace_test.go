package sim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bcc/fault"
)

func read(format, text string) ([]Job, error) {
	f, err := FormatOf(format)
	if err != nil {
		return nil, err
	}
	return f.Read(strings.NewReader(text), ReadOptions{Reference: 100})
}

func TestItReadsEachFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, format, text string
		want               []Job
	}{
		{"arrival and size", "csv", "arrival_s,patches\n0,10\n1.5,2.2\n", []Job{{Patches: 10}, {Arrival: 1500 * time.Millisecond, Patches: 3}}},
		{"deadlines count from the arrival", "csv", "arrival_s,patches,deadline_s\n10,5,60\n11,5,\n", []Job{{Arrival: 10 * time.Second, Deadline: 70 * time.Second, Patches: 5}, {Arrival: 11 * time.Second, Patches: 5}}},
		{"the urgent lane", "csv", "\ufeffarrival_s,patches,deadline_s,urgent\r\n10,5,,1\r\n11,5,9,0\r\n", []Job{{Arrival: 10 * time.Second, Patches: 5, Urgent: true}, {Arrival: 11 * time.Second, Deadline: 20 * time.Second, Patches: 5}}},
		{"tokens of either sort", "azure-llm", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n", []Job{{Patches: 4818}, {Arrival: 52 * time.Millisecond, Patches: 3188}}},
		{"seconds of a reference worker, by their beginning", "azure-functions", "app,func,end_timestamp,duration\na,f,10,1\nb,g,12,10\n", []Job{{Arrival: 2 * time.Second, Patches: 1000}, {Arrival: 9 * time.Second, Patches: 100}}},
		{"what ends before it began is not there", "azure-functions", "app,func,end_timestamp,duration\na,f,3,0\n", []Job{{Arrival: 3 * time.Second, Patches: 1}}},
	} {
		got, err := read(c.format, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %+v", c.name, got)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: job %d is %+v, want %+v", c.name, i, got[i], c.want[i])
			}
		}
	}
}

func TestItSaysWhichLineIsBroken(t *testing.T) {
	t.Parallel()
	const llm, functions = "TIMESTAMP,ContextTokens,GeneratedTokens\n", "app,func,end_timestamp,duration\n"
	for _, c := range []struct{ format, text, want, hint string }{
		{"csv", "", "the trace is empty", "arrival_s,patches"},
		{"csv", "arrival_s,patches\n", "no rows", "arrival_s,patches[,deadline_s[,urgent]]"},
		{"csv", "time,size\n1,2\n", `line 1: "time,size" is not the first line of csv`, "columns"},
		{"csv", llm + "2023-11-16 18:17:03,1,1\n", "line 1", "--format azure-llm"},
		{"azure-llm", functions, "line 1", "--format azure-functions"},
		{"csv", "arrival_s,patches\n0,1\n5,1\n4,1\n", "line 4: time runs backwards: 4 s after 5 s", "sort"},
		{"csv", "arrival_s,patches\n0,1\n1\n", "line 3: 1 columns", "mend"},
		{"csv", "arrival_s,patches\n0,1,2\n", "line 2: 3 columns, where the first line has 2", "mend"},
		{"csv", "arrival_s,patches\n0,\"1\n", "line 2", "mend"},
		{"csv", "arrival_s,patches\nx,1\n", `line 2: arrival_s "x" is no number`, "columns"},
		{"csv", "arrival_s,patches\n-1,1\n", "line 2: arrival_s -1", ""},
		{"csv", "arrival_s,patches\nNaN,1\n", "line 2: arrival_s", ""},
		{"csv", "arrival_s,patches\n1e300,1\n", "line 2: arrival_s", ""},
		{"csv", "arrival_s,patches\n0,0\n", "line 2: patches 0: at least 1", ""},
		{"csv", "arrival_s,patches\n0,1e10\n", "line 2: patches 1e10", ""},
		{"csv", "arrival_s,patches,deadline_s\n0,1,0\n", "line 2: deadline_s 0", ""},
		{"csv", "arrival_s,patches,deadline_s\n0,1,-3\n", "line 2: deadline_s -3", ""},
		{"csv", "arrival_s,patches,deadline_s,urgent\n0,1,,maybe\n", `line 2: urgent "maybe"`, ""},
		{"azure-llm", llm + "yesterday,1,1\n", `line 2: TIMESTAMP "yesterday"`, ""},
		{"azure-llm", llm + "2023-11-16 18:17:03,1,1\n2023-11-16 18:17:02,1,1\n", "line 3: time runs backwards", ""},
		{"azure-llm", llm + "2023-11-16 18:17:03,0,0\n", "line 2: a request without tokens", ""},
		{"azure-functions", functions + "a,f,1,2\n", "line 2: it ended at 1 s after 2 s", ""},
		{"azure-functions", functions + "a,f,1,1e9\n", "line 2: duration", ""},
		{"excel", "", `format "excel"`, "azure-llm, azure-functions, csv"},
	} {
		_, err := read(c.format, c.text)
		if fault.Of(err) != fault.Invalid {
			t.Errorf("%s %q: %v", c.format, c.text, err)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s %q: %q, hint %q", c.format, c.text, err, fault.HintOf(err))
		}
	}
}

func TestItReadsTheRealTraces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, format  string
		jobs, patches int
	}{
		{"azure-llm-2023-code.csv", "azure-llm", 8819, 18_305_870},
		{"azure-functions-2021-200.csv", "azure-functions", 199, 1_060_017},
	} {
		file, err := os.Open(filepath.Join(shared(), "traces", c.file))
		if err != nil {
			t.Skipf("the real traces are not here: %v", err)
		}
		defer file.Close()
		f, _ := FormatOf(c.format)
		jobs, err := f.Read(file, ReadOptions{Reference: 100})
		if err != nil {
			t.Fatal(err)
		}
		patches := 0
		for _, j := range jobs {
			patches += j.Patches
		}
		if len(jobs) != c.jobs || patches != c.patches {
			t.Errorf("%s: %d jobs, %d patches", c.file, len(jobs), patches)
		}
	}
}

// shared is where the real traces lie, beside the checkout or where BCC_SHARED says.
func shared() string {
	if dir := os.Getenv("BCC_SHARED"); dir != "" {
		return dir
	}
	return "../../../shared"
}

func FuzzRead(f *testing.F) {
	for _, format := range Formats {
		f.Add(format.Name, strings.Join(format.head, ",")+"\n0,1,2,3\n")
	}
	f.Add("csv", "arrival_s,patches,deadline_s\n0,1,5\n2,3,\n")
	f.Add("azure-llm", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n")
	f.Add("azure-functions", "app,func,end_timestamp,duration\na,f,10,1\n")
	f.Fuzz(func(t *testing.T, format, text string) {
		jobs, err := read(format, text)
		if err != nil {
			if fault.Of(err) != fault.Invalid {
				t.Fatalf("%v", err)
			}
			return
		}
		cfg := DefaultConfig()
		if err := checkJobs(cfg, jobs); err != nil && horizon(cfg, jobs) <= maxHorizon {
			t.Fatalf("what was read cannot be run: %v", err)
		}
	})
}
