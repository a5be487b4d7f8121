package cli

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/client"
)

// A node of another cluster than the file in this directory names is not asked by default: a command would look at, or change,
// the cluster of another project.
func TestANodeOfAnotherClusterIsRefused(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/config" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"node":"n1","config":{"cluster":"orders","node":{"capacity":0},"joined":"http://127.0.0.1:2379"}}`))
	}))
	defer node.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, c := range []struct {
		server, named string
		refused       bool
	}{{node.URL, "orders", false}, {node.URL, "mail", true}, {gone.URL, "mail", false}} {
		api, err := client.New(c.server, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = refuseOther(t.Context(), api, c.named, "app.toml")
		if errors.Is(err, config.ErrUsage) != c.refused {
			t.Fatalf("%+v: %v", c, err)
		}
		if want := "is node n1 of cluster orders, and app.toml names cluster mail"; c.refused && !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

// The variable takes precedence over the file, as for a node. Without either, or with a node that the user chose, nothing is compared.
func TestNamedCluster(t *testing.T) {
	t.Chdir(t.TempDir())
	env := map[string]string{}
	look := func(k string) string { return env[k] }
	check := func(name, by string) {
		t.Helper()
		if n, b := config.NamedCluster(look); n != name || b != by {
			t.Errorf("%q by %q; want %q by %q", n, b, name, by)
		}
	}
	check("", "")
	if err := os.WriteFile("app.toml", []byte("cluster = \"mail\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("mail", "app.toml")
	env[config.ClusterVariable] = "post"
	check("post", config.ClusterVariable)
	if !(config.ClientFlags{}).Default(look) || (config.ClientFlags{URL: "http://h"}).Default(look) {
		t.Error("the flag does not count")
	}
	env["XCONSUMER_SERVER"] = "http://h"
	if (config.ClientFlags{}).Default(look) {
		t.Error("the variable does not count")
	}
}
