package cli

import (
	"cmp"
	"log/slog"
	"os"

	"github.com/spf13/pflag"

	"bcc/autoscale/aws"
)

// awsFlags are the flags of bcc autoscale --target aws.
type awsFlags struct {
	region, endpoint string
	groups           []string
}

func (f *awsFlags) register(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.groups, "aws-group", nil, "aws: an Auto Scaling group, by name: it is the --kind of its workers; once for each")
	fs.StringVar(&f.region, "aws-region", "", "aws: region of the groups; empty: that of AWS_REGION or AWS_DEFAULT_REGION")
	fs.StringVar(&f.endpoint, "aws-endpoint", "", "aws: address of the Auto Scaling API; empty: Amazon's of the region")
}

// config says how the API is reached.
func (f *awsFlags) config(log *slog.Logger) aws.Config {
	c := aws.DefaultConfig()
	c.Region = cmp.Or(f.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	c.Groups, c.Endpoint, c.Logger = f.groups, f.endpoint, log
	c.Credentials = awsCredentials(c.Region)
	return c
}
