package cohort

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"bcc/fault"
)

func TestAByteThatChangedInARecordIsFound(t *testing.T) {
	t.Parallel()
	want := try{FormatVersion: 1, Problem: Problem{Kind: "corrupt", Code: 422, Message: "line\nand line"}}
	whole, err := encode(want)
	if err != nil {
		t.Fatal(err)
	}
	var got try
	if err := decode("k", whole, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("read back %+v, %v", got, err)
	}
	for i := range whole[:len(whole)-1] {
		for _, flip := range []byte{1, 0x80} {
			bad := bytes.Clone(whole)
			bad[i] ^= flip
			if err := decode("k", bad, new(try)); fault.Of(err) != fault.Corrupt {
				t.Fatalf("byte %d: %v, want corrupt", i, err)
			}
		}
	}
	text := bytes.IndexByte(whole, '\n')
	for n := range whole[:len(whole)-1] {
		var got try
		err := decode("k", whole[:n], &got)
		if n == text || n == text+1 { // as it was written before there were checksums
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("without its second line: %+v, %v", got, err)
			}
		} else if fault.Of(err) != fault.Corrupt {
			t.Errorf("cut after %d bytes: %v, want corrupt", n, err)
		}
	}
}

func TestARecordOfAnotherVersionIsReadAsFarAsItGoes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record string
		kind   fault.Kind
		state  State
	}{
		"later":          {`{"format_version":2,"state":"done","new":[1]}`, fault.Unsupported, Done},
		"other types":    {`{"format_version":2,"state":"done","patches":"many"}`, fault.Unsupported, Done},
		"other meaning":  {`{"format_version":2,"state":7}`, fault.Unsupported, ""},
		"none":           {`{"state":"done"}`, fault.Corrupt, ""},
		"not ours":       {`[]`, fault.Corrupt, ""},
		"of ours, wrong": {`{"format_version":1,"state":7}`, fault.Corrupt, ""},
	} {
		var e End
		err := decode("k", []byte(c.record), &e)
		if err == nil || fault.Of(err) != c.kind || c.state != "" && e.State != c.state {
			t.Errorf("%s: %q, %v; want %q, %v", name, e.State, err, c.state, c.kind)
		}
	}
}

func TestOldSummariesHaveNoQuarantine(t *testing.T) {
	t.Parallel()
	var c closed
	old := `{"format_version":1,"owner":"k","summary":{"id":"c","counts":{"submitted":3,"pending":0,"running":0,"done":2,"failed":1,"cancelled":0}}}`
	if err := decode("k", []byte(old), &c); err != nil || c.Summary.Counts != (Counts{Submitted: 3, Done: 2, Failed: 1}) {
		t.Errorf("%+v, %v", c.Summary.Counts, err)
	}
	b, _ := json.Marshal(Counts{Quarantined: 2})
	if !bytes.Contains(b, []byte(`"quarantined":2`)) {
		t.Errorf("%s", b)
	}
}
