package server_test

import (
	"fmt"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"bcc/server"
)

const clientsTrace = "0af7651916cd43dd8448eb211c80319c"

func TestARequestForWorkGoesOnInItsClientsTrace(t *testing.T) {
	t.Parallel()
	out := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(out))
	s := newServer(t, func(c *server.Config) { c.Tracer = provider })
	named := []string{"Traceparent", "00-" + clientsTrace + "-b7ad6b7169203331-01"}
	sha := upload(t, s, slidePicture(t), named...)
	id := s.post(t, "/cohorts", "application/json", fmt.Sprintf(`{"name": "Miller", "slides": [{"upload": %q, "name": "Miller.png", "mpp_um": 4}]}`, sha), named...).
		wants(t, 201).json(t)["id"].(string)
	s.post(t, "/cohorts", "application/json", `{"slides": []}`, "Traceparent", "Miller").wants(t, 400, "0 slides")
	s.get(t, "/cohorts/"+id).wants(t, 200)
	s.get(t, "/livez").wants(t, 200)
	s.predict(t, patchPicture(t), "Miller.png", nil, named...).wants(t, 200)
	s.stop()
	<-s.ended

	var got []string
	for _, span := range out.GetSpans() {
		in := span.SpanContext.TraceID().String() == clientsTrace
		got = append(got, fmt.Sprint(span.Name, " ", in, " ", span.SpanKind == trace.SpanKindServer))
		if text := fmt.Sprint(span.Attributes, span.Status); strings.Contains(text, "Miller") {
			t.Errorf("%s names a patient: %s", span.Name, text)
		}
		if span.Status.Description != "" {
			t.Errorf("%s failed: %s: only what the server is to blame for does", span.Name, span.Status.Description)
		}
	}
	want := "POST /slides true true, submit true false, POST /cohorts true true, POST /cohorts false true, look true false, POST /predict true true"
	if strings.Join(got, ", ") != want {
		t.Errorf("spans %v,\nwant  %v", got, want)
	}
	m, err := theWorld.ledger.Manifest(t.Context(), id)
	if err != nil || !strings.HasPrefix(m.Trace, "00-"+clientsTrace+"-") {
		t.Errorf("the cohort carries %q, %v", m.Trace, err)
	}
}
