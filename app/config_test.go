package app_test

import (
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
