package house_test

import (
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "gitee.com/ken.yang/xconsumer"

// allowed says for each package which packages of this module it may import; data flows down
// these arrows only. Drivers are the third-party modules that only one package may use.
var allowed = map[string][]string{
	"":                           {"cluster", "coord", "internal/address", "internal/follower", "internal/membership", "internal/meter", "internal/schedule", "internal/schema", "internal/view", "internal/worker", "internal/asynclog", "internal/outbox", "internal/emit", "internal/admin", "internal/nodesession"},
	"cluster":                    {"cluster/indexes"},
	"cluster/indexes":            {},
	"coord":                      {"internal/backoff"},
	"coord/internal/watchset":    {},
	"coord/mem":                  {"coord", "coord/internal/watchset"},
	"coord/zk":                   {"coord", "internal/address", "coord/internal/watchset"},
	"coord/etcd":                 {"coord", "internal/address", "coord/internal/watchset"},
	"coord/coordtest":            {"coord"},
	"internal/etcdserver":        {},
	"internal/address":           {},
	"internal/schema":            {"cluster", "coord", "internal/schema/fields"},
	"internal/schema/fields":     {"cluster"},
	"internal/specs":             {"internal/schema"},
	"internal/planner":           {"cluster", "internal/planner/model", "internal/planner/solver"},
	"internal/planner/model":     {},
	"internal/planner/solver":    {"internal/planner/model"},
	"internal/schedule":          {"cluster", "internal/jitter"},
	"internal/backoff":           {"internal/jitter"},
	"internal/jitter":            {},
	"internal/plural":            {},
	"internal/spelling":          {},
	"internal/meter":             {"cluster", "coord"},
	"internal/metrics":           {"cluster"},
	"internal/outbox":            {},
	"internal/emit":              {"cluster", "internal/meter", "internal/outbox"},
	"internal/asynclog":          {"internal/outbox"},
	"internal/worker":            {"cluster", "internal/asynclog", "internal/outbox", "internal/plural", "internal/backoff"},
	"internal/membership":        {"cluster", "coord", "internal/jitter", "internal/schema"},
	"internal/supervise":         {"cluster", "internal/proc", "internal/backoff"},
	"internal/proc":              {},
	"internal/command":           {"cluster", "coord", "internal/proc", "internal/backoff"},
	"internal/election":          {"cluster", "coord", "internal/schema", "internal/backoff"},
	"internal/events":            {"cluster"},
	"internal/view":              {"cluster", "coord", "internal/schema", "internal/specs"},
	"internal/report":            {"cluster", "coord", "internal/schedule", "internal/schema", "internal/view", "internal/reconcile/explain"},
	"internal/operation":         {"cluster", "coord", "internal/schedule", "internal/schema", "internal/view", "internal/membership", "internal/reconcile/explain"},
	"internal/schema/schematest": {"cluster", "internal/schema"},
	"internal/leader":            {"cluster", "coord", "internal/election", "internal/jitter", "internal/membership", "internal/meter", "internal/planner", "internal/reconcile", "internal/schema", "internal/view", "internal/backoff", "internal/events", "internal/reconcile/ledger", "internal/reconcile/round"},
	"internal/nodesession":       {"cluster", "coord", "internal/leader", "internal/membership", "internal/worker", "internal/backoff", "internal/election", "internal/emit", "internal/follower", "internal/jitter", "internal/meter", "internal/operation", "internal/outbox", "internal/schema", "internal/view"},
	"internal/admin":             {"cluster", "coord", "internal/asynclog", "internal/emit", "internal/meter", "internal/nodesession", "internal/operation", "internal/report", "internal/schema", "internal/view", "internal/worker", "internal/reconcile/explain"},
	"internal/follower":          {"cluster", "coord", "internal/jitter", "internal/membership", "internal/plural", "internal/schema", "internal/specs", "internal/backoff"},
	"client":                     {"cluster", "internal/address"},
	"httpapi":                    {"client", "cluster", "internal/address", "httpapi/internal/console", "internal/plural", "internal/spelling", "httpapi/internal/answer", "httpapi/internal/peers", "httpapi/internal/hub", "httpapi/internal/access", "httpapi/internal/describe"},
	"httpapi/internal/access":    {"cluster", "httpapi/internal/answer"},
	"httpapi/internal/answer":    {},
	"httpapi/internal/describe":  {},
	"httpapi/internal/hub":       {"client", "cluster", "internal/events"},
	"httpapi/internal/peers":     {"cluster", "httpapi/internal/answer", "internal/address"},
	"httpapi/internal/console":   {},
	"app":                        {"client", "", "cluster", "coord", "app/internal/cli", "internal/command", "internal/etcdserver", "internal/membership", "app/internal/config", "app/internal/logging", "app/internal/node", "app/internal/logview"},
	"app/internal/help":          {},
	"app/internal/cli":           {"app/internal/help", "client", "cluster", "httpapi", "internal/plural", "internal/spelling", "app/internal/config", "app/internal/terminal", "", "app/internal/devcluster", "app/internal/doctor", "app/internal/node", "app/internal/project", "coord", "coord/zk", "internal/membership", "internal/schema", "app/internal/logview", "app/internal/render"},
	"app/internal/config":        {"client", "cluster", "coord", "coord/etcd", "coord/zk", "httpapi", "internal/address", "internal/command", "internal/membership", "internal/plural", "internal/schedule", "internal/spelling"},
	"app/internal/devcluster":    {"client", "", "app/internal/config", "app/internal/logging", "app/internal/node", "app/internal/terminal", "cluster", "internal/backoff", "internal/etcdserver", "internal/plural", "internal/supervise"},
	"app/internal/doctor":        {"client", "", "app/internal/config", "app/internal/devcluster", "app/internal/node", "app/internal/peers", "app/internal/terminal", "cluster", "coord", "coord/etcd", "coord/zk", "internal/address", "internal/command", "internal/membership", "internal/plural", "internal/schema"},
	"app/internal/logging":       {"", "app/internal/config", "app/internal/terminal", "internal/asynclog"},
	"app/internal/logview":       {"client", "cluster", "internal/plural", "internal/spelling", "app/internal/render", "app/internal/terminal"},
	"app/internal/node":          {"client", "", "app/internal/config", "app/internal/logging", "app/internal/peers", "cluster", "coord", "httpapi", "internal/address", "internal/command", "internal/membership", "internal/metrics", "internal/outbox", "internal/schema", "internal/spelling", "internal/supervise"},
	"app/internal/peers":         {"app/internal/config", "coord", "coord/etcd", "coord/zk", "httpapi", "internal/membership", "internal/plural", "internal/schema"},
	"app/internal/project":       {"app/internal/config"},
	"app/internal/render":        {"cluster", "internal/plural", "app/internal/terminal"},
	"app/internal/terminal":      {},
	"cmd/xconsumer":              {"", "app", "work"},
	"work":                       {"work/test01", "work/test02"},
	"work/test01":                {""},
	"work/test02":                {""},
	"test/apinode":               {"cluster", "httpapi"},
	"test/authority":             {},
	"test/cli":                   {},
	"test/fleet":                 {"client", "cluster", "test/process"},
	"test/console":               {},
	"test/process":               {},
	"test/zkserver":              {"test/process"},
	"test/etcdserver":            {"internal/etcdserver", "test/process"},
	"test/link":                  {},
	"test/netns":                 {},
	"test/pty":                   {},
	"test/invariant":             {"cluster", "coord", "internal/schema", "internal/specs"},
	"test/hand":                  {},
	"test/sim":                   {"internal/leader", "internal/planner", "internal/operation", "internal/view", "", "cluster", "coord", "coord/mem", "internal/membership", "internal/reconcile", "internal/reconcile/round", "internal/schema", "internal/testcluster", "test/hand", "test/invariant"},
	"test/docs":                  {},
	"test/e2e":                   {},

	// The leader's decision: its stages, what they share, and what people are told of it.
	"internal/reconcile":           {"cluster", "internal/planner", "internal/reconcile/failures", "internal/reconcile/ledger", "internal/reconcile/members", "internal/reconcile/placement", "internal/reconcile/round", "internal/reconcile/runs", "internal/schema", "internal/specs", "internal/view"},
	"internal/reconcile/ledger":    {"cluster", "internal/schema", "internal/view"},
	"internal/reconcile/round":     {"cluster", "coord", "internal/planner", "internal/reconcile/ledger", "internal/schema", "internal/view"},
	"internal/reconcile/runs":      {"cluster", "internal/reconcile/round", "internal/schedule", "internal/schema", "internal/view"},
	"internal/reconcile/members":   {"cluster", "internal/reconcile/round", "internal/schema", "internal/view"},
	"internal/reconcile/failures":  {"cluster", "internal/reconcile/ledger", "internal/reconcile/members", "internal/reconcile/round", "internal/schema", "internal/view"},
	"internal/reconcile/placement": {"cluster", "internal/planner", "internal/reconcile/ledger", "internal/reconcile/members", "internal/reconcile/round", "internal/schema"},
	"internal/reconcile/explain":   {"cluster", "coord", "internal/planner", "internal/plural", "internal/reconcile", "internal/reconcile/failures", "internal/reconcile/members", "internal/reconcile/placement", "internal/reconcile/round", "internal/schedule", "internal/schema", "internal/view"},

	// Whole nodes in one process, for tests.
	"xconsumertest":        {"", "cluster", "coord/mem", "internal/testcluster"},
	"internal/testcluster": {"", "cluster", "coord", "coord/mem", "internal/membership", "internal/schema"},
}

var drivers = map[string][]string{
	"coord/zk": {"github.com/go-zookeeper/zk"},
	"coord/etcd": {"go.etcd.io/etcd/client/v3", "go.etcd.io/etcd/api/v3/v3rpc/rpctypes", "go.uber.org/zap",
		"google.golang.org/grpc", "google.golang.org/grpc/backoff", "google.golang.org/grpc/codes", "google.golang.org/grpc/status"},
	"coord/coordtest":           {"github.com/anishathalye/porcupine"},
	"internal/etcdserver":       {"go.etcd.io/etcd/server/v3/embed", "go.etcd.io/etcd/api/v3/version", "go.uber.org/zap", "go.uber.org/zap/zapcore"},
	"test/etcdserver":           {"go.etcd.io/etcd/client/v3", "go.uber.org/zap"},
	"app":                       {"golang.org/x/sys/unix", "google.golang.org/grpc/grpclog"},
	"httpapi":                   {"github.com/danielgtaylor/huma/v2", "github.com/danielgtaylor/huma/v2/adapters/humago"},
	"httpapi/internal/access":   {"golang.org/x/time/rate"},
	"httpapi/internal/answer":   {"github.com/danielgtaylor/huma/v2"},
	"httpapi/internal/describe": {"github.com/danielgtaylor/huma/v2"},
	"test/pty":                  {"golang.org/x/sys/unix"},
	"app/internal/cli":          {"github.com/spf13/cobra", "github.com/spf13/pflag"},
	"app/internal/help":         {"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/spf13/cobra/doc"},
	"app/internal/render":       {"github.com/danielgtaylor/huma/v2/yaml"},
	"app/internal/terminal":     {"golang.org/x/term"},
	"app/internal/config":       {"github.com/pelletier/go-toml/v2", "github.com/pelletier/go-toml/v2/unstable"},
	"app/internal/doctor":       {"golang.org/x/sys/unix"},
	"app/internal/logging":      {"github.com/lmittmann/tint"},
	"app/internal/node":         {"github.com/coreos/go-systemd/v22/daemon", "go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp", "go.opentelemetry.io/otel/sdk/resource", "go.opentelemetry.io/otel/sdk/trace", "go.opentelemetry.io/otel/trace"},
	"internal/metrics":          {"github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_golang/prometheus/promhttp", "github.com/prometheus/client_golang/prometheus/collectors"},
	"internal/proc":             {"golang.org/x/sys/unix"},
	"internal/supervise":        {"golang.org/x/sys/unix"},
	"internal/schedule":         {"github.com/netresearch/go-cron"},
	"internal/command":          {"golang.org/x/sys/unix"},
	"test/link":                 {"github.com/Shopify/toxiproxy/v2", "github.com/Shopify/toxiproxy/v2/stream", "github.com/rs/zerolog"},
}

// A package imports what its rule allows, and every package has a rule.
func TestImportRules(t *testing.T) {
	atRoot(t)
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || slices.Contains([]string{"bench", "deploy", "tools", "examples", "testdata"}, d.Name())) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." {
			pkg = ""
		}
		seen[pkg] = true
		rules, known := allowed[pkg]
		if !known {
			t.Errorf("%s: package %q has no import rule; add it to this test and to CONTRIBUTING.md", path, pkg)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			inside, own := strings.CutPrefix(name, module)
			inside = strings.TrimPrefix(inside, "/")
			switch {
			case own && !slices.Contains(rules, inside):
				t.Errorf("%s imports %q, which runs up or across the arrows", path, name)
			case !own && strings.Contains(name, ".") && !slices.Contains(drivers[pkg], name):
				t.Errorf("%s imports %q, which only its own adapter may use", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range allowed {
		if pkg != "test/e2e" && pkg != "test/cli" && pkg != "test/console" && !seen[pkg] {
			t.Errorf("package %q does not exist; delete its rule", pkg)
		}
	}
}

// A program that uses the library over ZooKeeper links two third-party modules.
func TestLibraryLinksTwoModules(t *testing.T) {
	atRoot(t)
	others := func(dirs ...string) []string {
		from := imports(t, dirs...)
		if dir, found := from["net/http"]; found {
			t.Errorf("%s imports net/http", dir)
		}
		return slices.DeleteFunc(slices.Sorted(maps.Keys(from)), func(name string) bool { return !strings.Contains(name, ".") || strings.HasPrefix(name, module) })
	}
	want := []string{"github.com/netresearch/go-cron"}
	if got := others("."); !slices.Equal(got, want) {
		t.Errorf("the library alone links %v; want %v", got, want)
	}
	want = []string{"github.com/go-zookeeper/zk", "github.com/netresearch/go-cron"}
	if got := others(".", filepath.Join("coord", "zk")); !slices.Equal(got, want) {
		t.Errorf("the library with ZooKeeper links %v; want %v", got, want)
	}
}

// A program that uses the client of the API links neither the server nor the console, and no third-party module: beside
// the standard library only the nouns, and what reads an address.
func TestClientLinksNoServer(t *testing.T) {
	atRoot(t)
	ours := []string{module + "/cluster", module + "/cluster/indexes", module + "/internal/address"}
	for name, dir := range imports(t, "client") {
		if strings.Contains(name, ".") && !slices.Contains(ours, name) {
			t.Errorf("%s imports %q, so that every program with the client links it", dir, name)
		}
	}
}

// imports returns every package that packages of this module, or others of it that they link, import, each with one
// that does.
func imports(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	from, visited := map[string]string{}, map[string]bool{}
	var visit func(dir string)
	visit = func(dir string) {
		if visited[dir] {
			return
		}
		visited[dir] = true
		pkg, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range pkg.Imports {
			from[name] = dir
			if inside, own := strings.CutPrefix(name, module); own {
				visit(filepath.Join(".", filepath.FromSlash(strings.TrimPrefix(inside, "/"))))
			}
		}
	}
	for _, dir := range dirs {
		visit(dir)
	}
	return from
}
