//go:build unix

// Package pythonworker tests the example of a work in Python.
package pythonworker

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/examples/fleet"
)

// Every address is probed by one of the workers, also after one of the nodes has been killed.
func TestProbe(t *testing.T) {
	var mu sync.Mutex
	probes := map[string]int{}
	site := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		probes[r.URL.Path]++
	}))
	defer site.Close()
	dir := fleet.Dir(t, "app.toml", "probe.py")
	useURLs(t, filepath.Join(dir, "app.toml"), site.URL)

	f := fleet.Start(t, fleet.Build(t, "gitee.com/ken.yang/xconsumer/cmd/xconsumer"), dir)
	all := func(cluster.State) bool {
		mu.Lock()
		defer mu.Unlock()
		return len(probes) == 5
	}
	s := f.Await("all addresses are probed", all)
	if len(s.Workers) != 3 {
		t.Errorf("%d workers", len(s.Workers))
	}
	f.Await("the worker's log has it", func(cluster.State) bool {
		text := f.Log("probe", 1)
		return strings.Contains(text, site.URL+"/1: 200 after") && strings.Contains(text, site.URL+"/4: 200 after")
	})
	f.Kill()
	mu.Lock()
	clear(probes)
	mu.Unlock()
	f.Await("all addresses are probed again", all)
}

// useURLs puts five addresses of a site in place of those that the example has.
func useURLs(t *testing.T, file, site string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range 5 {
		list = append(list, fmt.Sprintf("%q", fmt.Sprint(site, "/", i)))
	}
	urls := regexp.MustCompile(`(?m)^urls = .*$`)
	if !urls.Match(text) {
		t.Fatal("app.toml has no line with addresses")
	}
	text = urls.ReplaceAll(text, []byte("urls = ["+strings.Join(list, ", ")+"]"))
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
