package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/httpapi"
)

// makeToken runs `xconsumer token` with arguments, and returns what it prints.
func makeToken(t *testing.T, args ...string) (out, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := tokenCommand(Streams{Out: &stdout, Err: &stderr, Getenv: func(string) string { return "" }})
	c.SetArgs(args)
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String()
}

// The line of a token goes to a file of this user alone, after those that it has, and the secret is all that is printed.
func TestTokenToFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	first, said := makeToken(t, "ada", "--role", "admin", "--to", file)
	if !strings.HasSuffix(said, file+"\n") || strings.Contains(said, "xct_") {
		t.Errorf("it says %q; want the file, and the secret on standard output only", said)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.TrimRight(text, "\n"), 0o600); err != nil { // as an editor may leave it
		t.Fatal(err)
	}
	second, _ := makeToken(t, "ci", "--to", file)
	text, err = os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 3 || lines[2] != "" {
		t.Fatalf("%q", text)
	}
	for i, secret := range []string{first, second} {
		if !strings.HasPrefix(secret, "xct_") || strings.Count(secret, "\n") != 1 {
			t.Errorf("it prints %q; want the secret alone", secret)
		}
		token, err := httpapi.ParseToken(lines[i])
		if err != nil || token.Name != []string{"ada", "ci"}[i] {
			t.Errorf("%q: %+v, %v", lines[i], token, err)
		}
	}
}

// Without a file the line goes to standard output, and standard error does not announce a line that goes elsewhere.
func TestTokenRedirected(t *testing.T) {
	line, said := makeToken(t, "ada")
	if _, err := httpapi.ParseToken(strings.TrimSpace(line)); err != nil {
		t.Errorf("%q: %v", line, err)
	}
	if strings.Count(said, "\n") != 1 || strings.HasSuffix(said, ":\n") || !strings.Contains(said, "xct_") {
		t.Errorf("it says %q", said)
	}
}
