package telemetry

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// complain has the library tell the log, not standard error, and once a minute at most:
// a collector that is away is away each time. A nil log hears nothing.
func complain(log *slog.Logger) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var last atomic.Int64
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		now := time.Now().Unix()
		if was := last.Load(); now-was >= 60 && last.CompareAndSwap(was, now) {
			log.Warn("spans were not sent", "error", err)
		}
	}))
	otel.SetLogger(logr.New(settings{log}))
}

// settings hears what the library finds wrong with its environment. Its values stay
// untold: a header that cannot be read is somebody's token.
type settings struct{ log *slog.Logger }

func (s settings) Error(_ error, msg string, _ ...any) {
	s.log.Warn("a setting of OpenTelemetry cannot be read, OTEL_EXPORTER_OTLP_HEADERS or one like it", "what", msg)
}
func (settings) Info(int, string, ...any)         {}
func (settings) Enabled(int) bool                 { return false }
func (settings) Init(logr.RuntimeInfo)            {}
func (s settings) WithValues(...any) logr.LogSink { return s }
func (s settings) WithName(string) logr.LogSink   { return s }
