package blob_test

import (
	"strings"
	"testing"

	"bcc/blob"
	"bcc/fault"
)

func TestAddressesAreRead(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]blob.Location{
		"data/store/":             {Dir: "data/store"},
		"/srv/bcc":                {Dir: "/srv/bcc"},
		"file:///srv/b%20c/":      {Dir: "/srv/b c"},
		"file://localhost/srv":    {Dir: "/srv"},
		"s3://slides":             {Bucket: "slides"},
		"s3://slides/":            {Bucket: "slides"},
		"s3://slides.lab/a/b-1_C": {Bucket: "slides.lab", Prefix: "a/b-1_C"},
	} {
		if got, err := blob.Parse(address); got != want || err != nil {
			t.Errorf("%s: %+v, %v; want %+v", address, got, err, want)
		}
	}
	for _, address := range []string{
		"", "s3:/slides", "file:store", "file://host/srv", "file:///srv?x=1", "http://host/bucket", "s3://", "s3://AB", "s3://a..b/x",
		"s3://slides/../x", "s3://slides//x", "s3://slides/x?region=y", "s3://key:secret@slides/x", "://x",
	} {
		got, err := blob.Parse(address)
		if fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%q: %+v, %v; want invalid with a hint", address, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows a secret: %v", address, err)
		}
	}
}
