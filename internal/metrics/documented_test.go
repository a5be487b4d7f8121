package metrics_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/metrics"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// docs/reference/metrics.md is what is served. UPDATE=1 writes it.
func TestDocumented(t *testing.T) {
	var api func() []cluster.Measure
	server := apinode.Serve(t, apinode.New(cluster.State{}), httpapi.Options{Metrics: func(measures func() []cluster.Measure) http.Handler {
		api = measures
		return http.NotFoundHandler()
	}})
	resp, err := http.Get(server.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	families, err := metrics.Registry(&node{name: "n1", meter: measuredAll()}, "shop", "v1", api).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`# Metrics

Every node exports Prometheus metrics at ` + "`/metrics`" + `. Where the API requires a token, scrape with one of role view.
Metrics of the whole cluster (` + "`xconsumer_cluster_…`" + `) are exported only by the leader, so summing across nodes does not
double-count. Go's own metrics (` + "`go_…`, `process_…`" + `) are exported as well. Example alerting rules are in
[deploy/prometheus](../../deploy/prometheus), a dashboard is in [deploy/grafana](../../deploy/grafana).

| name | kind | labels | |
|---|---|---|---|
`)
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "xconsumer_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		_, _ = fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(dto.MetricType_name[int32(f.GetType())]), strings.Join(labels, ", "), f.GetHelp())
	}
	const file = "../../docs/reference/metrics.md"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(file); err != nil || string(old) != b.String() {
		t.Errorf("%s is not what is served (%v): UPDATE=1 go test ./internal/metrics", file, err)
	}
}
