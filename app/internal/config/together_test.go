package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTogether(t *testing.T) {
	file := filepath.Join(t.TempDir(), DefaultFile)
	load := func(table, variable string) (Settings, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte("[zookeeper]\nhost = \"127.0.0.1\"\n[node]\n"+table), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(Flags{Config: file}, func(name string) string { return map[string]string{TogetherVariable: variable}[name] })
	}
	for _, c := range []struct {
		table, variable string
		want            int
	}{{"", "", 0}, {"together = 3\n", "", 3}, {"together = 3\n", "5", 5}, {"", "5", 5}} {
		if s, err := load(c.table, c.variable); err != nil || s.Together != c.want {
			t.Errorf("%q and %q: %d, %v; want %d", c.table, c.variable, s.Together, err, c.want)
		}
	}
	for _, c := range []struct{ table, variable, want string }{
		{"together = -1\n", "", "node.together: -1 is less than 0; leave it out if it is unknown"},
		{"", "-1", TogetherVariable + ": -1 is less than 0; leave it out if it is unknown"},
		{"together = 3\n", "many", TogetherVariable + `: "many" is not a number`},
	} {
		if _, err := load(c.table, c.variable); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q and %q: %v; want %q", c.table, c.variable, err, c.want)
		}
	}
}
