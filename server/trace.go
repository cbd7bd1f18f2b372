package server

import (
	"cmp"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"bcc/fault"
	"bcc/telemetry"
)

// follow begins the span of a request for work, below the client's where it names one
// (W3C Trace Context). All others are counted only: a page asks for hundreds of tiles.
// It is called when it is known who asks.
func (c *call) follow() {
	if c.s.cfg.Tracer == nil {
		return
	}
	ctx, span := c.s.spans.Start(telemetry.Under(c.Context(), c.Header.Get("Traceparent")), c.route.pattern,
		trace.WithTimestamp(c.begun), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", plainMethod(c.Method)), attribute.String("http.route", c.route.pattern),
			attribute.String("bcc.request_id", c.id)))
	c.span = span
	c.Request = c.WithContext(ctx)
}

// followed ends the span. As OpenTelemetry has it, a request is a failure where the
// server is to blame.
func (c *call) followed() {
	if c.span == nil {
		return
	}
	c.span.SetAttributes(attribute.Int("http.response.status_code", c.status))
	var err error
	if c.status >= http.StatusInternalServerError {
		err = cmp.Or(c.err, errInside)
	}
	telemetry.EndSpan(c.span, err)
}

// errInside stands for a panic.
var errInside = fault.New(fault.Internal, "an error inside the server")
