package aws

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"

	"bcc/fault"
)

// Config says which groups, and how the API is reached.
type Config struct {
	Region string   // as eu-central-1
	Groups []string // names of the Auto Scaling groups, each a kind of worker

	Endpoint    string                  // URL of the API; empty: Amazon's of the region
	Credentials sdk.CredentialsProvider // asked before each request; it keeps what it found

	Timeout  time.Duration // of one call, its attempts included. Default 30 s
	Attempts int           // of each call. Default 3, slower after the API has said that they are too many
	Logger   *slog.Logger  // may be nil
}

// DefaultConfig returns what holds where nothing else is said.
func DefaultConfig() Config { return Config{Timeout: 30 * time.Second, Attempts: 3} }

var regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z0-9]+)+$`)

// Validate returns all problems at once.
func (c Config) Validate() error {
	var errs []error
	if c.Region == "" {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "no region of the Auto Scaling groups"), "pass --aws-region or set AWS_REGION"))
	} else if !regionName.MatchString(c.Region) {
		errs = append(errs, fault.New(fault.Invalid, "region %.40q of the Auto Scaling groups: want one as eu-central-1", c.Region))
	}
	if len(c.Groups) == 0 {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "no Auto Scaling group is named"), "pass --aws-group, once for each kind of worker"))
	}
	for i, name := range c.Groups {
		if name == "" || len(name) > 255 {
			errs = append(errs, fault.New(fault.Invalid, "name %d of the Auto Scaling groups: want 1 to 255 characters", i+1))
		}
		if slices.Contains(c.Groups[:i], name) {
			errs = append(errs, fault.New(fault.Invalid, "the Auto Scaling group %s is named twice", name))
		}
	}
	if u, err := url.Parse(c.Endpoint); c.Endpoint != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil) {
		errs = append(errs, fault.New(fault.Invalid, "address of the Auto Scaling API: want https://host or https://host:port"))
	}
	if c.Credentials == nil {
		errs = append(errs, noCredentials(errors.New("there are none")))
	}
	if c.Timeout <= 0 || c.Attempts < 1 {
		errs = append(errs, fault.New(fault.Invalid, "Auto Scaling API: %v for a call, %d attempts: want more than 0", c.Timeout, c.Attempts))
	}
	return errors.Join(errs...)
}

// client makes the client. Attempts become fewer a second when the API says that they
// are too many: all who scale in an account share its allowance.
func (c Config) client() *autoscaling.Client {
	options := autoscaling.Options{
		Region: c.Region, Credentials: sdk.NewCredentialsCache(c.Credentials),
		HTTPClient: &http.Client{Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: c.Timeout / 3}).DialContext,
			TLSHandshakeTimeout: c.Timeout / 3, IdleConnTimeout: time.Minute,
		}},
		Retryer: retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
			o.StandardOptions = append(o.StandardOptions, func(s *retry.StandardOptions) {
				s.MaxAttempts, s.MaxBackoff = c.Attempts, 5*time.Second
			})
		}),
	}
	if c.Endpoint != "" {
		options.BaseEndpoint = sdk.String(c.Endpoint)
	}
	return autoscaling.New(options)
}
