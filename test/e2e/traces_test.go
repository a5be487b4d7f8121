package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The steps of a grant are one trace, from what the leader reads to the start on another node.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	traces := map[string]map[string]*spans.Span{} // by the trace's id and the span's name
	nodes := map[string]map[string]bool{}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range request.GetResourceSpans() {
			node := ""
			for _, a := range rs.GetResource().GetAttributes() {
				if a.GetKey() == "service.instance.id" {
					node = a.GetValue().GetStringValue()
				}
			}
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					id := string(s.GetTraceId())
					if traces[id] == nil {
						traces[id], nodes[id] = map[string]*spans.Span{}, map[string]bool{}
					}
					name := s.GetName()
					if name == "claim" || name == "start" { // of one slot each
						for _, a := range s.GetAttributes() {
							if a.GetKey() == "xconsumer.slots" {
								name += " " + a.GetValue().GetStringValue()
							}
						}
					}
					traces[id][name] = s
					nodes[id][node] = true
				}
			}
		}
	}))
	defer receiver.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
	f := newSupervised(t, etcdBackend)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	f.start("n2")
	n1.awaitSpread("n1", "n2")
	f.Await("a grant of n1 to n2 is one trace", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for id, steps := range traces {
			read, plan, publish := steps["read"], steps["plan"], steps["publish"]
			var claim, start *spans.Span
			for name, s := range steps {
				if slots, is := strings.CutPrefix(name, "start "); is && steps["claim "+slots] != nil {
					claim, start = steps["claim "+slots], s
				}
			}
			if read == nil || plan == nil || publish == nil || claim == nil || start == nil || len(nodes[id]) != 2 {
				continue
			}
			for _, pair := range [][2]*spans.Span{{plan, read}, {publish, plan}, {claim, publish}, {start, claim}} {
				if string(pair[0].GetParentSpanId()) != string(pair[1].GetSpanId()) {
					t.Errorf("%s does not come after %s", pair[0].GetName(), pair[1].GetName())
				}
				if pair[0].GetEndTimeUnixNano() < pair[0].GetStartTimeUnixNano() || pair[0].GetStartTimeUnixNano() == 0 {
					t.Errorf("%s takes no time", pair[0].GetName())
				}
			}
			return true
		}
		return false
	})
}
