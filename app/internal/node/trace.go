package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// tracing sends the steps of grants to the collector at OTEL_EXPORTER_OTLP_ENDPOINT. Nodes pass no trace context to each
// other: the ids of a grant's trace and of its steps are derived from its cluster, task and token, which every node has.
type tracing struct {
	cluster, node string
	tracer        trace.Tracer
	provider      *sdk.TracerProvider
}

// newTracing returns nil if no endpoint is configured.
func newTracing(ctx context.Context, s config.Settings, env func(string) string) (*tracing, error) {
	if env("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx) // the exporter reads the variables itself
	if err != nil {
		return nil, fmt.Errorf("%w: traces: %w", config.ErrConfig, err)
	}
	t := &tracing{cluster: s.Cluster, node: s.Name}
	t.provider = sdk.NewTracerProvider(
		sdk.WithBatcher(exporter),
		sdk.WithIDGenerator(identities{}),
		sdk.WithSampler(sdk.AlwaysSample()),
		sdk.WithResource(
			resource.NewSchemaless(
				attribute.String("service.name", "xconsumer"),
				attribute.String("service.namespace", s.Cluster),
				attribute.String("service.instance.id", s.Name),
			),
		),
	)
	t.tracer = t.provider.Tracer("gitee.com/ken.yang/xconsumer")
	return t, nil
}

// close sends the remaining spans, for a second at most.
func (t *tracing) close(ctx context.Context, log *slog.Logger) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		log.Debug("traces not sent", "error", err)
	}
}

// parents maps each step to the one before it.
var parents = map[cluster.SpanStep]cluster.SpanStep{
	cluster.SpanPlan:    cluster.SpanRead,
	cluster.SpanPublish: cluster.SpanPlan,
	cluster.SpanClaim:   cluster.SpanPublish,
	cluster.SpanStart:   cluster.SpanClaim,
}

// send records a step as a span. The exporter sends it in the background.
func (t *tracing) send(s cluster.Span) {
	ids := t.identify(s)
	ctx := context.WithValue(context.Background(), identityKey{}, ids)
	if parent, has := parents[s.Step]; has {
		before := s
		before.Step = parent
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: ids.trace, SpanID: t.identify(before).span, TraceFlags: trace.FlagsSampled, Remote: true,
		}))
	}
	_, span := t.tracer.Start(ctx, string(s.Step), trace.WithTimestamp(s.Began), trace.WithAttributes(
		attribute.String("xconsumer.cluster", t.cluster),
		attribute.String("xconsumer.node", t.node),
		attribute.String(
			"xconsumer.task",
			s.Task,
		),
		attribute.String("xconsumer.slots", s.Slots.String()),
		attribute.Int64("xconsumer.token", s.Token),
	))
	span.End(trace.WithTimestamp(s.Ended))
}

// identity is the id of a trace and of one span in it.
type identity struct {
	trace trace.TraceID
	span  trace.SpanID
}

// identify derives the ids of a step. A step of the leader covers all slots of a grant, a step of a node one slot.
func (t *tracing) identify(s cluster.Span) (ids identity) {
	of := fmt.Sprintf("%d:%s %d:%s %d", len(t.cluster), t.cluster, len(s.Task), s.Task, s.Token)
	sum := sha256.Sum256([]byte(of))
	copy(ids.trace[:], sum[:])
	if s.Step == cluster.SpanClaim || s.Step == cluster.SpanStart {
		of += " " + s.Slots.String()
	}
	sum = sha256.Sum256([]byte(string(s.Step) + " " + of))
	copy(ids.span[:], sum[:])
	return ids
}

type identityKey struct{}

// identities gives spans the ids in their context.
type identities struct{}

// NewIDs returns the ids of a span that has no parent.
func (identities) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	ids, _ := ctx.Value(identityKey{}).(identity)
	return ids.trace, ids.span
}

// NewSpanID returns the id of a span that has a parent.
func (identities) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	ids, _ := ctx.Value(identityKey{}).(identity)
	return ids.span
}
