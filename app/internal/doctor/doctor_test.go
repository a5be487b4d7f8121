package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/test/apinode"
	"gitee.com/ken.yang/xconsumer/test/authority"
)

// doctor asks a node as other commands do, with the token and the certificates of the environment; who has none hears
// that a node runs there.
func TestDoctorFindsDev(t *testing.T) {
	t.Chdir(t.TempDir())
	file, err := filepath.Abs("app.toml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ca := authority.New(t)
	ca.Issue("node", false)
	ca.Issue("ada", false)
	token, err := httpapi.ParseToken("ada view 0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	access := config.Access{Tokens: []httpapi.Token{token}, TLS: config.TLS{Cert: ca.File("node.crt"), Key: ca.File("node.key"), ClientCA: ca.File("ca.crt"), Role: httpapi.RoleView}}
	options := httpapi.Options{Access: access.Open(log), Log: log, Config: map[string]any{"cluster": "demo", "file": file, "joined": "127.0.0.1:7"}}
	plain := apinode.Serve(t, apinode.New(cluster.State{}), options).URL
	secure := apinode.ServeTLS(t, apinode.New(cluster.State{}), options, access.TLS.Server(log))
	const secret = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		name, server string
		env          map[string]string
		joined, told string
	}{
		{"no token", plain, nil, "", "the node at " + plain},
		{"the token of a worker", plain, map[string]string{"XCONSUMER_TOKEN": secret}, "", "the node at " + plain},
		{"a token", plain, map[string]string{"XCONSUMER_API_TOKEN": secret}, "127.0.0.1:7", ""},
		{"a token over TLS", secure, map[string]string{"XCONSUMER_API_TOKEN": secret, "XCONSUMER_API_CA": ca.File("ca.crt")}, "127.0.0.1:7", ""},
		{"a certificate", secure, map[string]string{"XCONSUMER_API_CA": ca.File("ca.crt"), "XCONSUMER_API_CERT": ca.File("ada.crt"), "XCONSUMER_API_KEY": ca.File("ada.key")}, "127.0.0.1:7", ""},
		{"no CA", plain, map[string]string{"XCONSUMER_API_CA": "none.pem"}, "", "none.pem"},
		{"nothing", "http://127.0.0.1:1", nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := func(name string) string {
				if name == "XCONSUMER_SERVER" {
					return c.server
				}
				return c.env[name]
			}
			d, flags := &doctor{Config: Config{Env: env, Show: func(Finding) {}}}, config.Flags{}
			at := d.dev(t.Context(), &flags)
			if flags.Join != c.joined || (at != "") != (c.joined != "") {
				t.Errorf("joined %q, found at %q; want %q", flags.Join, at, c.joined)
			}
			told := strings.TrimPrefix(fmt.Sprint(d.list), "[]")
			if !strings.Contains(told, c.told) || (c.told == "") != (told == "") {
				t.Errorf("it says %q; want %q", told, c.told)
			}
			if strings.Contains(told, "a node runs") && !strings.Contains(told, "set XCONSUMER_API_TOKEN") {
				t.Errorf("it says %q, and not what to do", told)
			}
		})
	}
}

// doctor looks whether the programs of works can be started on this machine, whatever control groups there are.
func TestDoctorFindsPrograms(t *testing.T) {
	if !command.Supported {
		if os.Getenv("CI") != "" {
			t.Fatal("CI runs where programs are run as works")
		}
		t.Skip("programs are run as works on Linux only; CI requires this test")
	}
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		work command.Spec
		told string // "" for nothing
	}{
		{"good", command.Spec{Argv: []string{"sh"}, Dir: dir}, ""},
		{"good by its path", command.Spec{Argv: []string{"/bin/sh"}, Dir: dir}, ""},
		{"no directory", command.Spec{Argv: []string{"sh"}, Dir: filepath.Join(dir, "none")}, "dir: stat " + filepath.Join(dir, "none") + ": no such file"},
		{"a file for a directory", command.Spec{Argv: []string{"sh"}, Dir: plain}, "dir: " + plain + " is not a directory"},
		{"no program", command.Spec{Argv: []string{"no-such-program"}, Dir: dir}, `command: "no-such-program": not found in PATH`},
		{"a line for a program", command.Spec{Argv: []string{"sleep 5"}, Dir: dir}, `command: "sleep 5": not found in PATH`},
		{"no program at its path", command.Spec{Argv: []string{"./none"}, Dir: dir}, "command: stat " + filepath.Join(dir, "none") + ": no such file"},
		{"a directory for a program", command.Spec{Argv: []string{dir}, Dir: dir}, "command: " + dir + " is a directory"},
		{"not executable", command.Spec{Argv: []string{"./plain"}, Dir: dir}, "command: " + plain + " is not executable: chmod +x " + plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &doctor{Config: Config{Show: func(Finding) {}}}
			c.work.Name = "w"
			d.machine(config.Settings{Works: []command.Spec{c.work}})
			var told []Finding
			for _, f := range d.list {
				if f.Check == "work" {
					told = append(told, f)
				}
			}
			switch {
			case c.told == "" && len(told) == 0:
			case c.told != "" && len(told) == 1 && told[0].State == Wrong && strings.HasPrefix(told[0].Found, "w: "+c.told) && told[0].Fix != "":
			default:
				t.Errorf("it says %+v; want %q", told, c.told)
			}
		})
	}
}

// What nobody would run is told before somebody waits for it: a work that there is not, and a task without a number.
func TestDoctorLooksAtTasks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.toml")
	text := "[[work]]\nname = \"resize\"\ncommand = [\"true\"]\n[[task]]\nname = \"typo\"\nworkName = \"resise\"\nworkerNum = 1\n" +
		"[[task]]\nname = \"none\"\nworkName = \"resize\"\n[[task]]\nname = \"code\"\nworkName = \"Hello\"\nworkerNum = 1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Check(config.Flags{Config: file}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	d := &doctor{Config: Config{Show: func(Finding) {}, Register: func(node *xconsumer.Node) {
		node.Handle("hello", func(context.Context, *xconsumer.Worker) error { return nil })
	}}}
	d.tasks(t.Context(), nil, s, nil)
	var got []Finding
	for _, f := range d.list {
		f.Found = strings.TrimPrefix(f.Found, file)
		got = append(got, f)
	}
	want := []Finding{
		{"task", warning, `:8: task "none" has no workerNum, which means 0 workers`, "add workerNum = 1, or workerNum = 0 if that is intended"},
		{"task", warning, `task typo: no node has registered work "resise"; there are: hello, resize; did you mean "resize"?`, "correct workName, add a [[work]], or start a node of the program that has it"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
