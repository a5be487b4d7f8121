// Package alert_test lets a real Prometheus look at a cluster that runs, and waits for it to raise an alarm.
package alert_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/test/fleet"
	"gitee.com/ken.yang/xconsumer/test/process"
)

// A task that no node can run raises the alarm that says so, with its reason; when the label is there it is over.
func TestAlertFires(t *testing.T) {
	if testing.Short() {
		t.Skip("Prometheus is of `make verify`")
	}
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no prometheus: tools/deps.sh installs it")
	}
	dir := t.TempDir()
	const tasks = "cluster = \"alarm\"\n[[task]]\nname = \"thumbnails\"\nworkName = \"test01\"\nworkerNum = 3\nrequire = \"gpu=true\"\n"
	if err := os.WriteFile(filepath.Join(dir, "app.toml"), []byte(tasks), 0o600); err != nil {
		t.Fatal(err)
	}
	c := fleet.StartDev(t, dir, 3)
	api, err := client.New(c.Server, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	state, _, err := api.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, n := range state.Nodes {
		targets = append(targets, fmt.Sprintf("%q", n.Address))
	}
	// The rules as they are shipped, but for how long something has to last.
	rules, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "alerts.yml"), regexp.MustCompile(`for: \d+[sm]`).ReplaceAllString(string(rules), "for: 1s"))
	write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 500ms, evaluation_interval: 500ms}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: xconsumer
    static_configs: [{targets: [%s]}]
`, strings.Join(targets, ", ")))
	address := process.FreeAddrs(t, 1)[0]
	cmd := exec.Command(prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	fleet.Run(t, cmd)
	fleet.Await(t, "the alarm is raised", func() bool {
		return ask(t.Context(), address, `ALERTS{alertname="XconsumerUnplaced", alertstate="firing", task="thumbnails", reason="no-label"}`) > 0
	})
	if others := ask(t.Context(), address, `ALERTS{alertname!="XconsumerUnplaced", alertstate="firing"}`); others > 0 {
		t.Errorf("%d other alarms are raised, and everything else is in order", others)
	}
	if _, err := api.Do(t.Context(), client.Request{Path: "/api/v1/nodes/n1/label", Body: map[string]any{"labels": map[string]string{"gpu": "true"}}, Wait: fleet.Limit}); err != nil {
		t.Fatal(err)
	}
	fleet.Await(t, "the alarm is over", func() bool { return ask(t.Context(), address, `ALERTS{alertstate="firing"} or vector(0) > 1`) == 0 })
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask returns how many series a query has, -1 while nobody answers.
func ask(ctx context.Context, address, query string) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return -1
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return -1
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Data struct{ Result []any } }
	if json.NewDecoder(resp.Body).Decode(&answer) != nil || resp.StatusCode != http.StatusOK {
		return -1
	}
	return len(answer.Data.Result)
}
