package cli

import (
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"bcc/blob"
	"bcc/fetch"
)

// sourceFlags say which addresses clients may name, and how object storage is reached.
type sourceFlags struct {
	hosts, roots, buckets, networks []string
	endpoint, region                string
	pathStyle, role                 bool
}

func (f *sourceFlags) register(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.hosts, "allow-host", nil, "host that slides may be fetched from over https, as data.example.org, *.example.org or data.example.org:8443")
	fs.StringSliceVar(&f.roots, "allow-root", nil, "folder that file:// addresses may lie in")
	fs.StringSliceVar(&f.buckets, "allow-bucket", nil, "bucket, or bucket/prefix, that s3:// addresses may lie in")
	fs.StringSliceVar(&f.networks, "allow-network", nil, "network inside the house that an allowed host may lie in, as 10.1.0.0/16, there over http too; public ones always may")
	f.registerS3(fs)
}

// registerS3 adds the flags of commands that reach object storage.
func (f *sourceFlags) registerS3(fs *pflag.FlagSet) {
	fs.StringVar(&f.endpoint, "s3-endpoint", "", "address of the object storage; empty: Amazon's. Keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY")
	fs.StringVar(&f.region, "s3-region", "us-east-1", "region of the object storage")
	fs.BoolVar(&f.pathStyle, "s3-path-style", false, "address buckets as host/bucket, as most storage but Amazon's wants it")
	fs.BoolVar(&f.role, "s3-role", false, "credentials as Amazon's own programs find them, in place of the two keys: of a profile, a service account, or the machine's role")
}

// fetcher opens the lists: what is on none of them is refused.
func (f *sourceFlags) fetcher(maxBytes int64, registry prometheus.Registerer) (*fetch.Fetcher, error) {
	cfg := fetch.DefaultConfig()
	cfg.Hosts, cfg.Roots, cfg.Buckets, cfg.MaxBytes = f.hosts, f.roots, f.buckets, maxBytes
	var err error
	if cfg.Networks, err = networks("--allow-network", f.networks); err != nil {
		return nil, err
	}
	if len(f.buckets) > 0 {
		access := f.s3()
		access.Anonymous = access.AccessKey == "" && !f.role // a public one
		access.Registerer = registry
		if cfg.S3, err = blob.OpenBuckets(access); err != nil {
			return nil, err
		}
	}
	return fetch.New(cfg)
}

// queueToken is what workers elsewhere must know to join the queue of a server, and
// what is shown to a queue whose address holds none.
func queueToken() string { return os.Getenv("BCC_QUEUE_TOKEN") }

// Credentials of object storage come from the environment only: arguments are read by
// every user of the machine.
func s3Credentials() (access, secret, session string) {
	return os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")
}
