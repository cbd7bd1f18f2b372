package telemetry

import (
	"io"
	"log/slog"
	"strings"

	"bcc/fault"
)

// LogFormats are the forms that NewLogger writes.
var LogFormats = []string{"text", "json"}

// NewLogger returns a logger that writes a line a record to w: text for people, json
// for collectors. level is debug, info, warn or error; other words are Invalid.
// Times are UTC.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{ReplaceAttr: utc}
	if format == "json" {
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr { return seconds(utc(groups, a)) }
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil || strings.ContainsAny(level, "+-") {
		return nil, fault.New(fault.Invalid, "log level %q: want debug, info, warn or error", level)
	}
	options.Level = l
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fault.New(fault.Invalid, "log format %q: want %s", format, strings.Join(LogFormats, " or "))
}

func utc(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		return slog.Time(a.Key, a.Value.Time().UTC())
	}
	return a
}

// seconds says a duration in seconds, and its unit in the name, as the API does: bare
// nanoseconds would be read as anything.
func seconds(a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key+"_s", a.Value.Duration().Seconds())
	}
	return a
}
