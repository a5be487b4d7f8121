package check_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// promtool checks the rules, and that they wake for what they should and for nothing else.
func TestAlerts(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no promtool: tools/deps.sh installs it")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}, {"check", "config", "--syntax-only", "prometheus.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = "../prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

var metric = regexp.MustCompile(`\bxconsumer_[a-z_]+\b`)

// known are the metrics that the documentation names, which a test of theirs compares with what is served.
func known(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, name := range metric.FindAllString(string(text), -1) {
		names[name] = true
	}
	return names
}

// Rules and dashboard ask for metrics that there are, and the dashboard is one that Grafana can read.
func TestMetricsThatAreAskedFor(t *testing.T) {
	names := known(t)
	ask := func(where, expr string) {
		found := metric.FindAllString(expr, -1)
		if len(found) == 0 && !strings.Contains(expr, "up{") {
			t.Errorf("%s asks for nothing: %s", where, expr)
		}
		for _, name := range found {
			for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
				if base, cut := strings.CutSuffix(name, suffix); cut && names[base] {
					name = ""
					break
				}
			}
			if name != "" {
				t.Errorf("%s asks for %s, which there is not", where, name)
			}
		}
	}
	text, err := os.ReadFile("../prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			ask(r.Alert, r.Expr)
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s does not say what it is and what to do", r.Alert)
			}
		}
	}
	text, err = os.ReadFile("../grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID, Title    string
		SchemaVersion int
		Panels        []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			Datasource  struct{ Type, UID string }
			Targets     []struct{ RefID, Expr string }
		}
		Templating struct{ List []struct{ Name, Type string } }
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title == "" || board.SchemaVersion < 36 || len(board.Panels) < 10 || len(board.Templating.List) != 2 {
		t.Errorf("%+v", board)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.Datasource.Type != "prometheus" || (p.Type != "stat" && p.Type != "timeseries") || len(p.Targets) == 0 {
			t.Errorf("panel %d %q: %+v", p.ID, p.Title, p)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies on %s, or outside", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			ask(p.Title, target.Expr)
		}
	}
}

// The compose file names what the repository has.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Image   string
			Ports   []string
			Volumes []string
			Secrets []string
		}
		Secrets map[string]struct{ File string }
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	for name, s := range compose.Secrets {
		if _, err := os.Stat("../../" + s.File); err != nil {
			t.Errorf("secret %s: %v", name, err)
		}
	}
	for name, s := range compose.Services {
		for _, v := range s.Volumes {
			if from, _, _ := strings.Cut(v, ":"); strings.HasPrefix(from, "./") {
				if _, err := os.Stat("../../" + from); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s to everybody, with tokens that everybody knows", name, p)
			}
		}
		for _, secret := range s.Secrets {
			if compose.Secrets[secret].File == "" {
				t.Errorf("%s: no secret %s", name, secret)
			}
		}
	}
	if len(compose.Services) != 8 {
		t.Errorf("%d services", len(compose.Services))
	}
}
