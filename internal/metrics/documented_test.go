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

// docs/reference/metrics.md and its Chinese page list exactly the metrics that are served. UPDATE=1 writes them.
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
	var en, zh strings.Builder
	zh.WriteString(chineseIntro)
	en.WriteString(`# Metrics

Every node exports metrics for Prometheus at ` + "`/metrics`" + `. Where callers of the API must identify themselves, a request needs a token with
the role ` + "`view`" + `: see [secure a cluster](../guides/security.md).

` + "```sh" + `
curl -H "Authorization: Bearer $XCONSUMER_API_TOKEN" http://127.0.0.1:8800/metrics
` + "```" + `

- Metrics that begin with ` + "`xconsumer_cluster_`" + ` describe the whole cluster. Only the leader exports them, so a sum over all nodes counts nothing twice.
- All other metrics describe the node that exports them.
- Metrics that begin with ` + "`go_`" + ` and ` + "`process_`" + ` come from the Go runtime and the process.

[deploy/prometheus](../../deploy/prometheus/alerts.yml) has alerting rules, each with what to do, and [deploy/grafana](../../deploy/grafana) has a dashboard.

## Names

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
		name := f.GetName()
		if chinese[name] == "" {
			t.Errorf("%s has no Chinese text: add it to chinese_test.go", name)
		}
		row := fmt.Sprintf("| `%s` | %s | %s | ", name, strings.ToLower(dto.MetricType_name[int32(f.GetType())]), strings.Join(labels, ", "))
		_, _ = fmt.Fprintf(&en, "%s%s |\n", row, f.GetHelp())
		_, _ = fmt.Fprintf(&zh, "%s%s |\n", row, chinese[name])
	}
	for file, text := range map[string]string{"../../docs/reference/metrics.md": en.String(), "../../docs/zh/reference/metrics.md": zh.String()} {
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if old, err := os.ReadFile(file); err != nil || string(old) != text {
			t.Errorf("%s is not what is served (%v): UPDATE=1 go test ./internal/metrics", file, err)
		}
	}
}
