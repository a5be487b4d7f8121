package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/cli"
	"gitee.com/ken.yang/xconsumer/test/docs"
)

// documents are all that show commands and configuration.
func documents(t *testing.T) map[string]string {
	t.Helper()
	files := []string{"../README.md", "../README.zh-CN.md"}
	err := filepath.WalkDir("../docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimPrefix(file, "../")] = string(text)
	}
	return texts
}

var (
	inLine  = regexp.MustCompile("`(xconsumer [^`]+)`")
	indent  = regexp.MustCompile(`(?m)^    ((?:xconsumer|go run ./cmd/xconsumer) .*)$`)
	shown   = regexp.MustCompile(`^(?:\$ )?(?:[A-Z]+=\S+ )*(?:xconsumer|go run ./cmd/xconsumer) (.*)$`)
	ellipse = regexp.MustCompile(`…|\.\.\.`)
	choice  = regexp.MustCompile(`\\?\|`)
	quoted  = regexp.MustCompile(`'[^']*'`)
	option  = regexp.MustCompile(`\[[^\]]*\]`)
)

// commandsIn returns the commands of xconsumer that a text shows.
func commandsIn(text string) (out []string) {
	var lines []string
	for _, b := range docs.Blocks("", text) {
		if b.Language == "sh" || b.Language == "console" || b.Language == "" {
			lines = append(lines, strings.Split(b.Text, "\n")...)
		}
	}
	for _, list := range [][][]string{inLine.FindAllStringSubmatch(text, -1), indent.FindAllStringSubmatch(text, -1)} {
		for _, m := range list {
			lines = append(lines, m[1])
		}
	}
	for _, line := range lines {
		for one := range strings.SplitSeq(line, "&&") {
			one, _, _ = strings.Cut(one, "  #")
			one, _, _ = strings.Cut(one, " | ")
			one, _, _ = strings.Cut(one, ">")
			one, _, _ = strings.Cut(one, ";")
			if m := shown.FindStringSubmatch(strings.TrimSpace(one)); m != nil {
				out = append(out, strings.TrimSpace(m[1]))
			}
		}
	}
	return out
}

// Every command that the documentation shows is one that there is, with flags that it has.
func TestCommandsInDocumentation(t *testing.T) {
	seen := 0
	for file, text := range documents(t) {
		for _, line := range commandsIn(text) {
			seen++
			line = quoted.ReplaceAllString(line, "{}")
			if ellipse.MatchString(line) {
				continue // some of many
			}
			for _, flag := range option.FindAllString(line, -1) { // "[--wait] [-f app.toml]": each may be there
				check(t, file, line, strings.Fields(option.ReplaceAllString(line, "")), strings.Fields(strings.Trim(flag, "[]")))
			}
			check(t, file, line, strings.Fields(option.ReplaceAllString(line, "")), nil)
		}
	}
	if seen < 60 {
		t.Errorf("%d commands were found", seen)
	}
}

func check(t *testing.T, file, line string, words, more []string) {
	t.Helper()
	names := choice.Split(words[0], -1) // "cordon|drain NODE"
	for _, name := range names {
		root := cli.New(cli.Program{Register: func(*xconsumer.Node) {}}, Streams{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }})
		root.InitDefaultHelpCmd()
		root.InitDefaultCompletionCmd()
		args := append([]string{name}, words[1:]...)
		if len(more) > 0 && strings.HasPrefix(more[0], "-") {
			args = append(args, more...)
		}
		c, rest, err := root.Find(args)
		if err != nil || c == root {
			t.Errorf("%s: %q: unknown command (%v)", file, line, err)
			continue
		}
		if c.DisableFlagParsing {
			continue
		}
		for i := range rest {
			rest[i] = choice.Split(rest[i], 2)[0] // "-o table|json"
		}
		if err := c.ParseFlags(rest); err != nil && !strings.Contains(err.Error(), "needs an argument") { // "run --join", said of it
			t.Errorf("%s: %q: %v", file, line, err)
			continue
		}
		if len(more) == 0 && len(words) > 1 { // with arguments, where it is shown with them
			if err := arguments(c); err != nil {
				t.Errorf("%s: %q: %v", file, line, err)
			}
		}
	}
}

func arguments(c *cobra.Command) error {
	if len(c.Flags().Args()) == 0 || c.Name() == "completion" {
		return nil // "drain --wait", said of any node; the shells are commands of their own
	}
	return c.ValidateArgs(c.Flags().Args())
}

var configuration = regexp.MustCompile("(?s)```toml\n(.*?)```")

// Every configuration that the documentation shows is one that a node takes, with what it leaves out.
func TestConfigurationInDocumentation(t *testing.T) {
	seen := 0
	for file, text := range documents(t) {
		for _, m := range configuration.FindAllStringSubmatch(text, -1) {
			seen++
			content := m[1]
			if !strings.Contains(content, "[zookeeper]") && !strings.Contains(content, "[etcd]") {
				content += "\n[zookeeper]\nhost = \"127.0.0.1:2181\"\n"
			}
			dir := t.TempDir()
			content = strings.NewReplacer("/etc/xconsumer/", dir+"/", "/run/credentials/xconsumer.service/", dir+"/").Replace(content)
			certificate, key := selfSigned(t)
			for name, text := range map[string]string{"tokens": "ada admin sha256:" + strings.Repeat("0", 64) + "\n", "password": "a-password\n", "secret": strings.Repeat("0", 64) + "\n", "tls.crt": certificate, "ca.crt": certificate, "tls.key": key} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, "app.toml")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			t.Chdir(dir)
			if code := Run(t.Context(), []string{"config", "check", "--config", path}, func(*xconsumer.Node) {}, Streams{Out: &out, Err: &out, Getenv: func(string) string { return "" }}); code != 0 {
				t.Errorf("%s: exit %d\n%s\n%s", file, code, out.String(), content)
			}
		}
	}
	if seen < 15 {
		t.Errorf("%d configurations were found", seen)
	}
}

// selfSigned returns a certificate and its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}
