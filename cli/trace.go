package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"

	"github.com/spf13/pflag"

	"bcc/telemetry"
)

// traceFlags say where the spans of requests and slides go.
type traceFlags struct {
	endpoint string
	sample   float64
}

func (f *traceFlags) register(fs *pflag.FlagSet) {
	d := telemetry.DefaultTraceConfig()
	fs.StringVar(&f.endpoint, "otlp-endpoint", d.Endpoint, "http://host:4318 of a collector that takes traces as OTLP over HTTP (also OTEL_EXPORTER_OTLP_ENDPOINT; its headers and certificates: the other OTEL_EXPORTER_OTLP_ variables); empty: no traces")
	fs.Float64Var(&f.sample, "trace-sample", d.Sample, "share of traces that is kept, 0 to 1; the same for serve and worker")
}

// tracer opens the way to the collector, nil where there is none. instance is the
// process's name among others; empty: a random one.
func (f *traceFlags) tracer(ctx context.Context, command, instance string, log *slog.Logger) (*telemetry.Tracer, error) {
	return telemetry.NewTracer(ctx, telemetry.TraceConfig{
		Endpoint: f.endpoint, Sample: f.sample, Command: command, Instance: cmp.Or(instance, rand.Text()[:12]), Logger: log,
	})
}
