package app_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// What dev takes, which brings its own coordination service, config check takes with a warning; run refuses it, and an
// empty directory has nothing that could be checked.
func TestConfigCheckWithoutService(t *testing.T) {
	const file = "cluster = \"mine\"\n[[task]]\nname = \"a\"\nworkName = \"a\"\n"
	code, out, errs := run(t, map[string]string{"app.toml": file}, nil, "config", "check")
	if code != 0 || out != "app.toml: ok: cluster mine for `xconsumer dev`, 1 task\n" || !strings.HasPrefix(errs, "xconsumer: warning: no coordination service is chosen, which `xconsumer run` needs and `xconsumer dev` brings") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if code, out, _ := run(t, map[string]string{"app.toml": file}, nil, "config", "check", "-o", "json"); code != 0 || !strings.Contains(out, `"service": ""`) {
		t.Errorf("exit %d, %q", code, out)
	}
	for _, c := range []struct {
		file string
		args []string
	}{{file, []string{"run"}}, {file, []string{"doctor"}}, {"", []string{"config", "check"}}} {
		files := map[string]string{"app.toml": c.file}
		if c.file == "" {
			files = nil
		}
		env := map[string]string{"XCONSUMER_SERVER": "http://127.0.0.1:1"}
		if code, _, errs := run(t, files, env, c.args...); code != 78 || !strings.HasPrefix(errs, "xconsumer: no coordination service is chosen") {
			t.Errorf("%v: exit %d, %q", c.args, code, errs)
		}
	}
}

// What a command line gives is named as it was given.
func TestDevNamesItsFlag(t *testing.T) {
	if code, _, errs := run(t, map[string]string{"app.toml": "[http]\nlisten = \"127.0.0.1:1\"\n"}, nil, "dev", "--http", "foo"); code != 78 || !strings.HasPrefix(errs, `xconsumer: --http: "foo": the port is missing`) {
		t.Errorf("exit %d, %q", code, errs)
	}
}

// A file that cannot be read is told of in one sentence, and as JSON in one object, too.
func TestConfigCheckWithoutFile(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, file string
		args       []string
		want       string
	}{
		{"a directory", "", []string{"--config", dir}, dir + " is a directory; name the file in it with --config"},
		{"no file", "", []string{"--config", "none.toml"}, "open none.toml: no such file or directory"},
		{"UTF-16", "\xff\xfec\x00", nil, "app.toml is not UTF-8 text; save it as UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"app.toml": c.file}
			code, out, errs := run(t, files, nil, append([]string{"config", "check"}, c.args...)...)
			if code != 78 || out != "" || errs != "xconsumer: configuration refused: "+c.want+"\n" {
				t.Errorf("exit %d, %q, %q", code, out, errs)
			}
			code, out, _ = run(t, files, nil, append([]string{"config", "check", "-o", "json"}, c.args...)...)
			want, err := json.MarshalIndent(map[string]any{"file": "", "ok": false, "problems": []any{map[string]string{"message": c.want}}}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if code != 78 || out != string(want)+"\n" {
				t.Errorf("exit %d, %q; want %q", code, out, want)
			}
		})
	}
}

// The least session timeouts that a mistake names are the least ones.
func TestConfigLeastSessionTimeouts(t *testing.T) {
	for _, c := range []struct{ service, least, less string }{{"[zookeeper]\nhost = \"h\"\n", "5s", "4s"}, {"[etcd]\nendpoints = [\"h\"]\n", "2s", "1s"}} {
		check := func(timeout string) (int, string) {
			code, _, errs := run(t, map[string]string{"app.toml": c.service + "sessionTimeout = \"" + timeout + "\"\n"}, nil, "config", "check")
			return code, errs
		}
		if code, errs := check("0s"); code != 78 || !strings.Contains(errs, "the least is "+c.least) {
			t.Errorf("0s: exit %d, %q", code, errs)
		}
		if code, errs := check(c.least); code != 0 {
			t.Errorf("%s: exit %d, %q", c.least, code, errs)
		}
		if code, errs := check(c.less); code != 78 {
			t.Errorf("%s: exit %d, %q", c.less, code, errs)
		}
	}
}
