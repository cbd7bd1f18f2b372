package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"bcc/fault"
)

// slogger writes the log of requests. It names routes, not paths, and never a file.
type slogger struct{ *slog.Logger }

// request logs one request: what was refused at Info, except where a client was
// only too early, everything else at Debug.
func (l *slogger) request(c *call, took time.Duration) {
	level := slog.LevelDebug
	if c.status >= 400 && c.status != http.StatusTooManyRequests && c.status != statusGone {
		level = slog.LevelInfo
	}
	if !l.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", c.id),
		slog.String("route", c.route.pattern),
		slog.String("method", plainMethod(c.Method)),
		slog.Int("status", c.status),
		slog.Duration("took", took),
		slog.Int64("bytes", c.bytes),
		slog.String("key", c.who.ID),
		slog.String("client", c.s.client(c.Request)),
	}
	if c.err != nil && c.status < 500 {
		_, _, message, _ := answerTo(c.err)
		attrs = append(attrs, slog.String("reason", reason(c.err, message)))
	}
	l.LogAttrs(context.Background(), level, "request", attrs...)
}

// reason keeps what a client sent out of the log where it may hold a name: of the
// errors of manifests and forms only the kind is logged.
func reason(err error, message string) string {
	if e, ok := errors.AsType[*refusal](err); ok && e.status != http.StatusBadRequest {
		return short(message)
	}
	return fault.Of(err).String()
}

// plainMethod bounds what a label or a log line can hold.
func plainMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
