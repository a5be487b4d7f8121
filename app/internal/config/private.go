package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/httpapi"
)

// private warns of a file with a secret that every user of this machine may read or change. Such a file is not refused,
// because the meaning of its mode depends on the mount.
func (pr *problems) private(key, file string) {
	info, err := os.Stat(file)
	if err != nil || runtime.GOOS == "windows" { // Windows has no such modes
		return
	}
	may := "read"
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		may = "change"
	case mode&0o004 == 0:
		return
	}
	pr.warnings = append(
		pr.warnings,
		fmt.Sprintf("%s: every user of this machine may %s %s (mode %04o): chmod 600 %[3]s", pr.source(key), may, file, info.Mode().Perm()),
	)
}

// privateFiles warns of all files with secrets that every user may read.
func (f *configFile) privateFiles() {
	c := &f.config
	for key, file := range map[string]string{
		"http.secretFile": c.HTTP.SecretFile, "http.tls.key": c.HTTP.TLS.Key,
		"zookeeper.passwordFile": c.ZooKeeper.PasswordFile, "zookeeper.tls.key": c.ZooKeeper.TLS.Key,
		"etcd.passwordFile": c.Etcd.PasswordFile, "etcd.tls.key": c.Etcd.TLS.Key,
	} {
		if file != "" {
			f.private(key, file)
		}
	}
	if text, err := os.ReadFile(c.HTTP.TokensFile); err == nil && slices.ContainsFunc(strings.Split(string(text), "\n"), plainToken) {
		f.private("http.tokensFile", c.HTTP.TokensFile)
	}
	for _, key := range []string{"zookeeper.password", "etcd.password", "http.tokens"} {
		if _, inFile := f.keys[key]; inFile && (key != "http.tokens" || slices.ContainsFunc(c.HTTP.Tokens, plainToken)) {
			f.private(key, f.path)
		}
	}
	slices.Sort(f.warnings)
}

// plainToken reports whether a line contains the token itself, not its hash.
func plainToken(line string) bool {
	words := strings.Fields(line)
	return len(words) == 3 && !strings.HasPrefix(words[0], "#") && !strings.HasPrefix(words[2], "sha256:")
}

// demoHashes are the hashes of the tokens and the secret in deploy/compose, which are public.
var demoHashes = []string{
	"da675853f0e00d89b94a4c095c058ec446f43fc0f58bc5f6084b393774936901",
	"97d4f2f3ea4a6e794f07e3fa36aaf30b3bbaaa62e4d93c06d3c49485913fa37a",
	"26202dbb5e4301ffad905c1f7d9a82cc3d36b9d72892b91e039c051c65c63d06",
}

// Demo names the demo's token or secret that a node uses, "" for none.
func Demo(s *Settings) string {
	known := func(hash [sha256.Size]byte) bool { return slices.Contains(demoHashes, hex.EncodeToString(hash[:])) }
	tokens := slices.Concat(s.Access.Tokens, s.Access.fromFile)
	if at := slices.IndexFunc(tokens, func(t httpapi.Token) bool { return known(t.Hash) }); at >= 0 {
		return "the token of " + tokens[at].Name
	}
	if known(sha256.Sum256(s.Secret)) {
		return "the secret of nodes"
	}
	return ""
}
