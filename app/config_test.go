package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
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

// The names of files in app.toml are relative to its directory. Those of the environment are relative to the working directory.
func TestConfigNamesFilesBesideItself(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret", strings.Repeat("s", 40))
	write("password", "geheim")
	const keys = `[http]
secretFile = "none-secret"
tokensFile = "none-tokens"
[http.tls]
cert = "none-cert"
key = "none-key"
clientCA = "none-client-ca"
ca = "none-ca"
`
	const zookeeper = "[zookeeper]\nhost = \"h\"\nusername = \"u\"\npasswordFile = \"none-password\"\n[zookeeper.tls]\n"
	const etcd = "[etcd]\nendpoints = [\"https://h\"]\nusername = \"u\"\npasswordFile = \"none-password\"\n[etcd.tls]\n"
	for _, c := range []struct {
		file  string
		names []string // files that are not there, one in each key
	}{
		{zookeeper + "ca = \"none-service-ca\"\n" + keys, []string{"none-password", "none-service-ca", "none-secret", "none-tokens", "none-cert"}},
		{zookeeper + "cert = \"none-service-cert\"\nkey = \"none-service-key\"\n", []string{"none-service-cert"}},
		{etcd + "ca = \"none-service-ca\"\n", []string{"none-password", "none-service-ca"}},
		{etcd + "cert = \"none-service-cert\"\nkey = \"none-service-key\"\n", []string{"none-service-cert"}},
	} {
		write("app.toml", c.file)
		code, _, errs := run(t, nil, nil, "config", "check", "--config", filepath.Join(dir, "app.toml"))
		if code != 78 {
			t.Errorf("exit %d, %s", code, errs)
		}
		for _, name := range c.names {
			if !strings.Contains(errs, filepath.Join(dir, name)) {
				t.Errorf("%s; want %s", errs, filepath.Join(dir, name))
			}
		}
	}
	write("app.toml", "[zookeeper]\nhost = \"h\"\nusername = \"u\"\npasswordFile = \"password\"\n[http]\nsecretFile = \"secret\"\n")
	config := filepath.Join(dir, "app.toml")
	if code, _, errs := run(t, nil, nil, "config", "check", "--config", config); code != 0 {
		t.Errorf("exit %d, %s", code, errs)
	}
	here := map[string]string{"here": strings.Repeat("s", 40)}
	if code, _, errs := run(t, here, map[string]string{"XCONSUMER_HTTP_SECRET_FILE": "here"}, "config", "check", "--config", config); code != 0 {
		t.Errorf("by the environment: exit %d, %s", code, errs)
	}
}
