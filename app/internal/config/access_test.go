package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
	"gitee.com/ken.yang/xconsumer/test/authority"
)

// A node over TLS lets in who shows a certificate, as what it is configured, and takes a new certificate of its
// own without a restart.
func TestTLS(t *testing.T) {
	ca := authority.New(t)
	ca.Issue("node", false)
	ca.Issue("ada", false)
	access := Access{TLS: TLS{Cert: ca.File("node.crt"), Key: ca.File("node.key"), ClientCA: ca.File("ca.crt"), Role: httpapi.RoleView}}
	log := slog.New(slog.DiscardHandler)
	server := apinode.ServeTLS(t, apinode.New(cluster.State{}), httpapi.Options{Access: access.Open(log)}, access.TLS.Server(log))
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	get := func(certificates ...tls.Certificate) (status int, serial int64) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get(server + "/api/v1/leader")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode, resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	status, first := get()
	if status != http.StatusUnauthorized {
		t.Errorf("without a certificate: %d", status)
	}
	ada, err := tls.LoadX509KeyPair(ca.File("ada.crt"), ca.File("ada.key"))
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := get(ada); status != http.StatusOK {
		t.Errorf("with one: %d", status)
	}
	ca.Issue("node", false)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, serial := get(ada); serial != first {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the old certificate is shown still")
		}
	}
	if err := os.WriteFile(ca.File("node.crt"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // until it is looked at again
	if status, _ := get(ada); status != http.StatusOK {
		t.Errorf("after a certificate that is none: %d", status)
	}
}

// Nodes ask each other after all their certificates have been replaced by those of another authority, and the log has that once.
func TestNodesAskEachOtherAfterCertificatesAreReplaced(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	ca, next := authority.New(t), authority.New(t)
	for _, a := range []*authority.Authority{ca, next} {
		a.Issue("n1", false)
		a.Issue("n2", false)
	}
	settings := func(node string) TLS {
		text := fmt.Sprintf("[http]\n[http.tls]\ncert = %q\nkey = %q\nclientCA = %q\nca = %[3]q\n", ca.File(node+".crt"), ca.File(node+".key"), ca.File("ca.crt"))
		return configured(t, text).Access.TLS
	}
	quiet := slog.New(slog.DiscardHandler)
	answering := &httpapi.Peers{Secret: []byte(secret)}
	address := apinode.ServeTLS(t, apinode.New(cluster.State{}), httpapi.Options{Peers: answering, Log: quiet}, settings("n1").Server(quiet))
	answering.Advertise = strings.TrimPrefix(address, "https://")
	var logged bytes.Buffer
	asking := &httpapi.Peers{Secret: []byte(secret), TLS: settings("n2").Peer(slog.New(slog.NewTextHandler(&logged, nil)))}
	if err := asking.Check(t.Context(), "n1", address); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.crt", "n1.crt", "n1.key", "n2.crt", "n2.key"} {
		text, err := os.ReadFile(next.File(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(ca.File(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(next.Cert)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) { // until n1 presents the new one
		conn, err := tls.Dial("tcp", answering.Advertise, &tls.Config{RootCAs: roots})
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	time.Sleep(1100 * time.Millisecond) // until n2 looks at its files again
	if err := asking.Check(t.Context(), "n1", address); err != nil {
		t.Error(err)
	}
	if text := logged.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "reloaded") || !strings.Contains(text, "ca.crt") {
		t.Errorf("the log says: %s", text)
	}
}

// An authority that is taken out of the file lets nobody in any longer, not on a connection that is open either.
func TestClientAuthorityIsTakenOut(t *testing.T) {
	ca, other := authority.New(t), authority.New(t)
	ca.Issue("node", false)
	ca.Issue("ada", false)
	s := configured(t, fmt.Sprintf("[http]\n[http.tls]\ncert = %q\nkey = %q\nclientCA = %q\n", ca.File("node.crt"), ca.File("node.key"), ca.File("ca.crt")))
	ada, err := tls.LoadX509KeyPair(ca.File("ada.crt"), ca.File("ada.key"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	server := apinode.ServeTLS(t, apinode.New(cluster.State{}), httpapi.Options{Access: s.Access.Open(log), Log: log}, s.Access.TLS.Server(log))
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{ada}}}
	defer transport.CloseIdleConnections()
	connections := 0
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if !c.Reused {
			connections++
		}
	}})
	get := func() int {
		r, err := http.NewRequestWithContext(trace, http.MethodGet, server+"/api/v1/leader", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is kept
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if status := get(); status != http.StatusOK {
		t.Fatal(status)
	}
	text, err := os.ReadFile(other.File("ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca.File("ca.crt"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); get() != http.StatusUnauthorized; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it lets ada in still")
		}
	}
	if connections != 1 {
		t.Errorf("%d connections; want 1", connections)
	}
}

// Tokens of a file are valid from when they are in it, and until they are taken out.
func TestTokensFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count := func(access *httpapi.Access, want int) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); len(access.All()) != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d tokens; want %d", len(access.All()), want)
			}
		}
	}
	write("# ours\nada admin the-first-secret-of-ada\n")
	access := Access{TokensFile: file}.Open(slog.New(slog.DiscardHandler))
	count(access, 1)
	write("ada admin the-first-secret-of-ada\nada admin the-second-secret-of-ada\n")
	count(access, 2)
	write("\nada admin the-second-secret-of-ada\n# \n")
	count(access, 1)
	write("") // nobody could get in: what was there stays
	time.Sleep(1100 * time.Millisecond)
	count(access, 1)
}

// configured returns the settings of a node with an app.toml.
func configured(t *testing.T, text string) Settings {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.toml")
	if err := os.WriteFile(file, []byte("[zookeeper]\nhost = \"h:1\"\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(Flags{Config: file}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// spoiled is what can become of a file between the start of a node and the first request.
var spoiled = map[string]func(file string) error{
	"gone":  os.Remove,
	"empty": func(file string) error { return os.WriteFile(file, nil, 0o600) },
	"mistyped": func(file string) error {
		return os.WriteFile(file, []byte("ada amdin the-first-secret-of-ada\n"), 0o600)
	},
}

// A node that was configured to ask for tokens does so whatever has become of their file: those that were there at
// the start are in force, and the log says so.
func TestTokensFileSpoiledBeforeTheFirstRequest(t *testing.T) {
	for name, spoil := range spoiled {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "tokens")
			if err := os.WriteFile(file, []byte("ada admin the-first-secret-of-ada\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s := configured(t, fmt.Sprintf("[http]\nlisten = \"0.0.0.0:1\"\ntokensFile = %q\n", file))
			var logged bytes.Buffer
			log := slog.New(slog.NewTextHandler(&logged, nil))
			server := apinode.Serve(t, apinode.New(cluster.State{}), httpapi.Options{Access: s.Access.Open(log), Log: log})
			if err := spoil(file); err != nil {
				t.Fatal(err)
			}
			for token, want := range map[string]int{"": http.StatusUnauthorized, "some-secret-of-nobody-here": http.StatusUnauthorized, "the-first-secret-of-ada": http.StatusOK} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/leader", nil)
				if err != nil {
					t.Fatal(err)
				}
				if token != "" {
					r.Header.Set("Authorization", "Bearer "+token)
				}
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != want {
					t.Errorf("token %q: %s; want %d", token, resp.Status, want)
				}
			}
			if text := logged.String(); !strings.Contains(text, `inForce="1 token: ada (admin)"`) || strings.Contains(text, "secret") {
				t.Errorf("the log says: %s", text)
			}
		})
	}
}

// A node serves the certificate, and asks for client certificates of the authority, that there were at its start,
// whatever has become of the files before the first connection.
func TestCertificatesSpoiledBeforeTheFirstConnection(t *testing.T) {
	for name, spoil := range spoiled {
		for _, file := range []string{"node.crt", "node.key", "ca.crt"} {
			t.Run(name+" "+file, func(t *testing.T) {
				ca := authority.New(t)
				ca.Issue("node", false)
				ca.Issue("ada", false)
				s := configured(t, fmt.Sprintf("[http]\nlisten = \"0.0.0.0:1\"\n[http.tls]\ncert = %q\nkey = %q\nclientCA = %q\nca = %[3]q\n", ca.File("node.crt"), ca.File("node.key"), ca.File("ca.crt")))
				ada, err := tls.LoadX509KeyPair(ca.File("ada.crt"), ca.File("ada.key"))
				if err != nil {
					t.Fatal(err)
				}
				log := slog.New(slog.DiscardHandler)
				server := apinode.ServeTLS(t, apinode.New(cluster.State{}), httpapi.Options{Access: s.Access.Open(log), Log: log}, s.Access.TLS.Server(log))
				if err := spoil(ca.File(file)); err != nil {
					t.Fatal(err)
				}
				roots := x509.NewCertPool()
				roots.AddCert(ca.Cert)
				for want, certificates := range map[int][]tls.Certificate{http.StatusUnauthorized: nil, http.StatusOK: {ada}} {
					transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
					resp, err := (&http.Client{Transport: transport}).Get(server + "/api/v1/leader")
					if err != nil {
						t.Fatal(err)
					}
					_ = resp.Body.Close()
					transport.CloseIdleConnections()
					if resp.StatusCode != want {
						t.Errorf("%d certificates: %s; want %d", len(certificates), resp.Status, want)
					}
				}
				if peer := s.Access.TLS.Peer(log)(); peer.RootCAs == nil || len(peer.Certificates) != 1 {
					t.Errorf("other nodes are asked with %d certificates, and the authority is known: %t", len(peer.Certificates), peer.RootCAs != nil)
				}
			})
		}
	}
}

// All files of TLS can be named by variables, as in a container, where the file of the configuration does not name them.
func TestTLSInVariables(t *testing.T) {
	ca := authority.New(t)
	ca.Issue("node", false)
	env := map[string]string{
		"XCONSUMER_ZOOKEEPER_HOST": "h:1", "XCONSUMER_HTTP_LISTEN": "0.0.0.0:8800", "XCONSUMER_HTTP_TLS_CERT": ca.File("node.crt"),
		"XCONSUMER_HTTP_TLS_KEY": ca.File("node.key"), "XCONSUMER_HTTP_TLS_CLIENT_CA": ca.File("ca.crt"), "XCONSUMER_HTTP_TLS_CA": ca.File("ca.crt"),
	}
	s, err := Load(Flags{}, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	of := s.Access.TLS
	if peer := of.Peer(slog.New(slog.DiscardHandler))(); peer.RootCAs == nil || len(peer.Certificates) != 1 || of.Checked.ClientCAs == nil {
		t.Errorf("%+v", of)
	}
}

// The demo's tokens and secret, which everybody knows, are refused where others reach the node, unless somebody says
// that it is kept from them.
func TestDemoSecretsAreRefused(t *testing.T) {
	demo := func(name string) string { return filepath.Join("../../..", "deploy", "compose", name) }
	admin, err := os.ReadFile(demo("admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(own, []byte("ada admin "+strings.Repeat("x", 30)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env     map[string]string
		refused string
	}{
		"tokens":                {map[string]string{"XCONSUMER_HTTP_TOKENS_FILE": demo("tokens")}, "the token of demo is the demo's"},
		"a token in a variable": {map[string]string{"XCONSUMER_HTTP_TOKENS": "ada admin " + string(admin)}, "the token of ada is the demo's"},
		"secret":                {map[string]string{"XCONSUMER_HTTP_TOKENS_FILE": own, "XCONSUMER_HTTP_SECRET_FILE": demo("peers.secret")}, "the secret of nodes is the demo's"},
		"on loopback":           {map[string]string{"XCONSUMER_HTTP_TOKENS_FILE": demo("tokens"), "XCONSUMER_HTTP_LISTEN": "127.0.0.1:8800"}, ""},
		"kept from others":      {map[string]string{"XCONSUMER_HTTP_TOKENS_FILE": demo("tokens"), "XCONSUMER_HTTP_SECRET_FILE": demo("peers.secret"), "XCONSUMER_HTTP_INSECURE": "true"}, ""},
		"tokens of somebody":    {map[string]string{"XCONSUMER_HTTP_TOKENS_FILE": own}, ""},
	} {
		env := map[string]string{"XCONSUMER_ZOOKEEPER_HOST": "h:1", "XCONSUMER_HTTP_LISTEN": "0.0.0.0:8800"}
		maps.Copy(env, c.env)
		s, err := Load(Flags{}, func(name string) string { return env[name] })
		if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %v; want %q", name, err, c.refused)
		}
		if err == nil && s.Access.Open(slog.New(slog.DiscardHandler)).Tokens == nil {
			t.Errorf("%s: no token is asked for", name)
		}
	}
}

// Files with secrets that every user of the machine may read or change are warned of, others are not.
func TestModesOfSecretFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		if os.Getenv("CI") != "" {
			t.Fatal("CI runs where files have such modes")
		}
		t.Skip("this system has no such modes; CI requires this test")
	}
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	secret := strings.Repeat("s", 40)
	hashed := "ada admin sha256:" + strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		config string
		mode   os.FileMode // of app.toml
		want   string
	}{
		"private":                    {fmt.Sprintf("[http]\nsecretFile = %q\ntokensFile = %q\n", write("s1", secret, 0o600), write("t1", "ada admin "+secret, 0o640)), 0o644, ""},
		"secret that all may read":   {fmt.Sprintf("[http]\nsecretFile = %q\n", write("s2", secret, 0o644)), 0o644, "http.secretFile: every user of this machine may read"},
		"secret that all may change": {fmt.Sprintf("[http]\nsecretFile = %q\n", write("s3", secret, 0o666)), 0o644, "http.secretFile: every user of this machine may change"},
		"tokens that all may read":   {fmt.Sprintf("[http]\ntokensFile = %q\n", write("t2", "ada admin "+secret, 0o644)), 0o644, "http.tokensFile: every user of this machine may read"},
		"hashes that all may read":   {fmt.Sprintf("[http]\ntokensFile = %q\n", write("t3", "# ada admin "+secret+"\n"+hashed, 0o644)), 0o644, ""},
		"password file":              {fmt.Sprintf("[zookeeper]\nhost = \"h:1\"\nusername = \"u\"\npasswordFile = %q\n", write("p", "pw", 0o644)), 0o644, "zookeeper.passwordFile: every user"},
		"password in a private file": {"[zookeeper]\nhost = \"h:1\"\nusername = \"u\"\npassword = \"p\"\n", 0o600, ""},
		"password in a public file":  {"[zookeeper]\nhost = \"h:1\"\nusername = \"u\"\npassword = \"p\"\n", 0o644, "zookeeper.password: every user"},
	} {
		s, err := Load(Flags{Config: write("app.toml", c.config, c.mode)}, func(name string) string {
			if name == "XCONSUMER_ZOOKEEPER_HOST" {
				return "h:1"
			}
			return ""
		})
		if got := strings.Join(s.Warnings, "\n"); err != nil || (got == "") != (c.want == "") || !strings.Contains(got, c.want) || c.want != "" && !strings.Contains(got, "chmod 600 ") {
			t.Errorf("%s: %v, %q; want %q", name, err, got, c.want)
		}
	}
}

// A file that systemd provides is missing while the service does not run, which its fix says.
func TestMissingCredential(t *testing.T) {
	for file, want := range map[string]bool{"/run/credentials/xconsumer-test.service/secret": true, "/nowhere/secret": false} {
		_, err := os.ReadFile(file)
		if err == nil {
			t.Fatal(file + " exists")
		}
		if got := credentialFix(err); strings.Contains(got, "while the service runs") != want {
			t.Errorf("%s: %q", file, got)
		}
	}
}
