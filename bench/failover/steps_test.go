package failover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// steps are what a handoff does, in order. Each is named by what it ends with.
var steps = []string{
	"signal: the worker is asked to stop",
	"stop: it has stopped",
	"the leaver's commit",
	"the leader's hint, and rounds before the last",
	"the leader's reads",
	"plan",
	"the leader's commit",
	"the next node's hint and read",
	"claim",
	"start",
}

// timeline is when each step of one handoff ended.
type timeline map[string]time.Time

// spans are the spans that the nodes of a fleet have sent, by token and step.
type spans struct {
	mu   sync.Mutex
	seen map[int64]map[cluster.SpanStep][2]time.Time
}

// collect receives the spans of all nodes that are started afterwards.
func (f *fleet) collect() *spans {
	s := &spans{seen: map[int64]map[cluster.SpanStep][2]time.Time{}}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err == nil {
			err = s.add(&request)
		}
		if err != nil {
			f.b.Error(err)
		}
	}))
	f.b.Cleanup(server.Close)
	f.Env = append(f.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL, "OTEL_BSP_SCHEDULE_DELAY=50")
	return s
}

func (s *spans) add(request *collector.ExportTraceServiceRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range request.GetResourceSpans() {
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				for _, a := range span.GetAttributes() {
					if a.GetKey() != "xconsumer.token" {
						continue
					}
					token := a.GetValue().GetIntValue()
					if s.seen[token] == nil {
						s.seen[token] = map[cluster.SpanStep][2]time.Time{}
					}
					s.seen[token][cluster.SpanStep(span.GetName())] = [2]time.Time{
						time.Unix(0, int64(span.GetStartTimeUnixNano())), time.Unix(0, int64(span.GetEndTimeUnixNano())),
					}
				}
			}
		}
	}
	return nil
}

// of returns the spans of a grant, nil while they have not all arrived.
func (s *spans) of(token int64) map[cluster.SpanStep][2]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen[token]) < 5 {
		return nil
	}
	return s.seen[token]
}

// steps returns the timeline of a handoff, from the node that left to the start under a token.
func (f *fleet) steps(s *spans, from string, started note) timeline {
	f.b.Helper()
	var of map[cluster.SpanStep][2]time.Time
	f.Await("the spans of token "+strconv.FormatInt(started.Token, 10), func() bool { of = s.of(started.Token); return of != nil })
	t := timeline{
		steps[3]: of[cluster.SpanRead][0],
		steps[4]: of[cluster.SpanRead][1],
		steps[5]: of[cluster.SpanPlan][1],
		steps[6]: of[cluster.SpanPublish][1],
		steps[7]: of[cluster.SpanClaim][0],
		steps[8]: of[cluster.SpanClaim][1],
		steps[9]: started.Wall,
	}
	for _, e := range f.events(from) {
		switch e.Kind {
		case asked:
			t[steps[0]] = e.Time
		case cluster.WorkerStopped:
			t[steps[1]] = e.Time
		case cluster.NodeLeft:
			t[steps[2]] = e.Time
		}
	}
	return t
}

// asked is the event that a worker was asked to stop, which the bench's work records itself.
const asked cluster.EventKind = "asked"

// record appends an event to the file of its node.
func record(journal, node string, e cluster.Event) {
	line, _ := json.Marshal(e)
	file, err := os.OpenFile(journal+"."+node, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	_, _ = file.Write(append(line, '\n'))
}

// events returns the events of a node that has left, and forgets them. A process may have ended before it had written any.
func (f *fleet) events(node string) (list []cluster.Event) {
	f.b.Helper()
	file, err := os.Open(filepath.Join(f.dir, "journal."+node))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		f.b.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for d := json.NewDecoder(file); ; {
		var e cluster.Event
		if d.Decode(&e) != nil {
			break
		}
		list = append(list, e)
	}
	if err := os.Remove(file.Name()); err != nil {
		f.b.Fatal(err)
	}
	return list
}

// reportSteps prints the median of how long each step took.
func reportSteps(b *testing.B, name string, begun []time.Time, lines []timeline) {
	b.Helper()
	for i, step := range steps {
		var took []time.Duration
		for n, t := range lines {
			before := begun[n]
			if i > 0 {
				before = t[steps[i-1]]
			}
			if !before.IsZero() && !t[step].IsZero() {
				took = append(took, t[step].Sub(before))
			}
		}
		if len(took) == 0 {
			b.Errorf("%s: %s was not seen", name, step)
			continue
		}
		slices.Sort(took)
		fmt.Printf("%-64s median %8.2f ms   p90 %8.2f ms   of %d\n", name+":   "+step, ms(took[len(took)/2]), ms(took[len(took)*9/10]), len(took))
	}
}
