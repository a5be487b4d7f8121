package peers

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/test/authority"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// fromFile returns the settings of a node with an app.toml.
func fromFile(t *testing.T, text string) config.Settings {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load(config.Flags{Config: file}, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Where other nodes reach a node is derived from what it listens on: never an address that means each machine itself,
// unless all nodes are on this one.
func TestReached(t *testing.T) {
	const far = "cluster = \"x\"\n[zookeeper]\nhost = \"192.0.2.7:2181\"\n"
	const near = "cluster = \"x\"\n[zookeeper]\nhost = \"127.0.0.1:2181\"\n"
	for name, c := range map[string]struct {
		file, listen, want, trouble string
	}{
		"as configured":                {far + "[http]\nadvertise = \"n1.example:80\"\n", "127.0.0.1:8800", "n1.example:80", ""},
		"off":                          {far, "off", "", ""},
		"without HTTP":                 {far, "", "", ""},
		"an address":                   {far, "192.0.2.9:8800", "192.0.2.9:8800", ""},
		"an IPv6 address":              {far, "[2001:db8::9]:8800", "[2001:db8::9]:8800", ""},
		"an IPv4 address, mapped":      {far, "[::ffff:192.0.2.9]:8800", "192.0.2.9:8800", ""},
		"loopback, all on one machine": {near, "127.0.0.1:8801", "127.0.0.1:8801", ""},
		"loopback, etcd on this one":   {"[etcd]\nendpoints = [\"http://localhost:2379\"]\n", "[::1]:8801", "[::1]:8801", ""},
		"loopback, others elsewhere":   {far, "127.0.0.1:8801", "127.0.0.1:8801", "it is reached from this machine only"},
		"a zone":                       {far, "[fe80::1%eth0]:8800", "", "fe80::1%eth0 is not known by this name on other machines"},
		"a zone that means nothing":    {far, "[2001:db8::9%eth0]:8800", "[2001:db8::9]:8800", ""},
		"loopback with a zone":         {near, "[::1%lo]:8801", "[::1]:8801", ""},
		"loopback by name":             {far, "localhost:8801", "127.0.0.1:8801", "it is reached from this machine only"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Reached(t.Context(), fromFile(t, c.file), c.listen); got.Advertise != c.want || !strings.HasPrefix(got.Trouble, c.trouble) || (c.trouble == "") != (got.Trouble == "") {
				t.Errorf("%+v; want %q, %q", got, c.want, c.trouble)
			}
		})
	}
	for _, listen := range []string{"0.0.0.0:8800", "[::]:8800", ":8800"} {
		for _, file := range []string{far, near} {
			got := Reached(t.Context(), fromFile(t, file), listen)
			address, err := netip.ParseAddrPort(got.Advertise)
			if err != nil || address.Addr().IsUnspecified() || address.Port() != 8800 {
				t.Errorf("%s: %+v, %v", listen, got, err)
			} else if address.Addr().IsLoopback() && (outward(t.Context(), nil).IsValid() || file == far && got.Trouble == "") {
				t.Errorf("%s: %s is told to others, %+v", listen, address, got)
			}
		}
	}
}

// An address that is configured must be one that the certificate is for.
func TestReachedByCertificate(t *testing.T) {
	ca := authority.New(t)
	ca.Issue("n1", false) // for 127.0.0.1
	for advertise, trouble := range map[string]string{"127.0.0.1:8800": "", "n1.example:8800": "its certificate is not for n1.example"} {
		s := fromFile(t, fmt.Sprintf("[zookeeper]\nhost = \"127.0.0.1:1\"\n[http]\nadvertise = %q\n[http.tls]\ncert = %q\nkey = %q\n", advertise, ca.File("n1.crt"), ca.File("n1.key")))
		if got := Reached(t.Context(), s, "127.0.0.1:8800"); got.Advertise != advertise || got.Trouble != trouble || (got.Fix == "") != (trouble == "") {
			t.Errorf("%+v; want %s, %q", got, advertise, trouble)
		}
	}
}

// The address by which this machine reaches another is one of its own.
func TestOutward(t *testing.T) {
	ip := outward(t.Context(), []string{"127.0.0.1:2181"})
	if !ip.IsValid() {
		if os.Getenv("CI") != "" {
			t.Fatal("this machine has no address but loopback")
		}
		t.Skip("this machine has no address but loopback; CI requires this test")
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.String() == ip.String() && !ip.IsLoopback() {
			return
		}
	}
	t.Errorf("%v is none of this machine's addresses %v", ip, addrs)
}

// With TLS others ask by what the certificate is for.
func TestReachedByTheNameOfTheCertificate(t *testing.T) {
	a := authority.New(t)
	cert, _ := a.Issue("n1", false)
	got, ok := nameOn(cert, netip.MustParseAddr("127.0.0.1"))
	if want := "127.0.0.1"; cert.VerifyHostname(want) == nil && (!ok || got != want) {
		t.Errorf("%q, %v", got, ok)
	}
	cert.IPAddresses, cert.DNSNames = nil, []string{"n1.example"}
	if got, ok := nameOn(cert, netip.MustParseAddr("192.0.2.9")); !ok || got != "n1.example" {
		t.Errorf("the only name: %q, %v", got, ok)
	}
	cert.DNSNames = []string{"*.example"}
	if got, ok := nameOn(cert, netip.MustParseAddr("192.0.2.9")); ok {
		t.Errorf("a certificate of many: %q", got)
	}
}

// The name by which others ask is one that the certificate is for and that means this node to them; else it is said that
// there is none, on loopback too.
func TestReachedWithTLS(t *testing.T) {
	const far, near = "192.0.2.7:2181", "127.0.0.1:2181"
	elsewhere, here := net.ParseIP("192.0.2.9"), net.ParseIP("127.0.0.1")
	for name, c := range map[string]struct {
		host, listen, want, trouble string
		ips                         []net.IP
		names                       []string
	}{
		"for the address":                     {far, "192.0.2.9:8800", "192.0.2.9:8800", "", []net.IP{elsewhere}, []string{"localhost"}},
		"by its only name":                    {far, "192.0.2.9:8800", "n1.example:8800", "", nil, []string{"n1.example"}},
		"by its only name for others":         {far, "192.0.2.9:8800", "n1.example:8800", "", nil, []string{"localhost", "n1.example"}},
		"for localhost alone":                 {far, "192.0.2.9:8800", "", "its certificate is not for 192.0.2.9", nil, []string{"localhost"}},
		"for localhost.localdomain":           {far, "192.0.2.9:8800", "", "its certificate is not for 192.0.2.9", nil, []string{"LOCALHOST.localdomain"}},
		"loopback, for the address":           {near, "127.0.0.1:8800", "127.0.0.1:8800", "", []net.IP{here}, nil},
		"loopback, for localhost":             {near, "127.0.0.1:8800", "localhost:8800", "", nil, []string{"localhost", "n1.example"}},
		"loopback, for another name":          {near, "127.0.0.1:8800", "", "its certificate is not for 127.0.0.1", nil, []string{"n1.example"}},
		"loopback, others elsewhere":          {far, "127.0.0.1:8800", "127.0.0.1:8800", "it is reached from this machine only", []net.IP{here}, nil},
		"loopback, others elsewhere, no name": {far, "127.0.0.1:8800", "", "it is reached from this machine only", nil, []string{"n1.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := fromFile(t, fmt.Sprintf("[zookeeper]\nhost = %q\n", c.host))
			leaf, _ := authority.New(t).Issue("n1", false)
			leaf.IPAddresses, leaf.DNSNames = c.ips, c.names
			s.Access.TLS.Checked = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Leaf: leaf}}}
			got := Reached(t.Context(), s, c.listen)
			if got.Advertise != c.want || !strings.HasPrefix(got.Trouble, c.trouble) || (c.trouble == "") != (got.Trouble == "") || (got.Trouble == "") != (got.Fix == "") {
				t.Errorf("%+v; want %q, %q", got, c.want, c.trouble)
			}
		})
	}
}

// The store keeps the secret of the nodes where it is protected as well as the API is.
func TestSecretless(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 40)), 0o600); err != nil {
		t.Fatal(err)
	}
	const zk, user, tokens = "[zookeeper]\nhost = \"h:1\"\n", "username = \"u\"\npassword = \"p\"\n", "tokens = [\"ada admin a-very-long-secret-of-ada\"]\n"
	for name, c := range map[string]struct {
		file string
		none bool
	}{
		"nobody is asked":           {zk, false},
		"tokens, and an open store": {zk + "[http]\n" + tokens, true},
		"tokens, and its own user":  {zk + user + "[http]\n" + tokens, false},
		"tokens, and a file":        {zk + "[http]\n" + tokens + "secretFile = \"" + secret + "\"\n", false},
		"insecure":                  {zk + "[http]\nlisten = \"0.0.0.0:1\"\ninsecure = true\n", false},
		"insecure with tokens":      {zk + "[http]\nlisten = \"0.0.0.0:1\"\ninsecure = true\n" + tokens, true},
		"etcd, open":                {"[etcd]\nendpoints = [\"http://h:1\"]\n[http]\n" + tokens, true},
		"etcd with a user":          {"[etcd]\nendpoints = [\"http://h:1\"]\n" + user + "[http]\n" + tokens, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := fromFile(t, c.file)
			if got := Secretless(s); (got != "") != c.none {
				t.Fatalf("%q", got)
			}
			if !c.none {
				return
			}
			if _, err := SharedSecret(t.Context(), s); err == nil || !strings.Contains(err.Error(), "secretFile") {
				t.Errorf("it is read nevertheless: %v", err)
			}
		})
	}
}

// The etcd of xconsumer dev keeps the secret where it is dev's: another one that is named with --join lets in whoever
// reaches it.
func TestSecretOfAJoinedCluster(t *testing.T) {
	for join, none := range map[string]bool{"http://127.0.0.1:2379": false, "localhost:2379": false, "http://192.0.2.7:2379": true, "http://127.0.0.1:2379,192.0.2.7:2379": true} {
		env := func(key string) string {
			if key == config.TokensVariable {
				return "ada admin a-very-long-secret-of-ada"
			}
			return ""
		}
		file := filepath.Join(t.TempDir(), "app.toml")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := config.Load(config.Flags{Config: file, Join: join}, env)
		if err != nil {
			t.Fatal(err)
		}
		if got := Secretless(s); (got != "") != none || none && strings.Contains(SecretFix(s), "username") {
			t.Errorf("%s: %q, %s", join, got, SecretFix(s))
		}
	}
}

// The secret in the store counts only where nobody else can have read it.
func TestSharedSecretIsForTheUserAlone(t *testing.T) {
	server := zkserver.Start(t, 1)
	table := fmt.Sprintf("[zookeeper]\nhost = %q\nsessionTimeout = \"4s\"\ntickTime = %q\n", server.Hosts(), zkserver.Tick)
	owned := fromFile(t, table+"username = \"u\"\npassword = \"p\"\n[http]\ntokens = [\"ada admin a-very-long-secret-of-ada\"]\n")
	opened := fromFile(t, table)
	session := func(s config.Settings) coord.Session {
		t.Helper()
		store, err := s.Service.Open(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		session, err := store.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = session.Close() })
		return session
	}
	keys := schema.NewKeys("default")
	if _, err := membership.Bootstrap(t.Context(), session(opened), keys, 0); err != nil {
		t.Fatal(err)
	}
	known, err := SharedSecret(t.Context(), opened)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := SharedSecret(t.Context(), owned); err == nil || !strings.Contains(err.Error(), protectFix) {
		t.Errorf("one that others may know is taken: %d bytes, %v", len(got), err)
	}
	mine := session(owned)
	if _, err := membership.ForgetPeerSecret(t.Context(), mine, keys); err != nil {
		t.Fatal(err)
	}
	if _, err := zk.Protect(t.Context(), mine, keys.Root()); err != nil {
		t.Fatal(err)
	}
	now, err := SharedSecret(t.Context(), owned)
	if err != nil || bytes.Equal(now, known) {
		t.Errorf("%d bytes, %v", len(now), err)
	}
	if again, err := SharedSecret(t.Context(), owned); err != nil || !bytes.Equal(now, again) {
		t.Errorf("another one the second time, %v", err)
	}
	if got, err := SharedSecret(t.Context(), opened); err == nil {
		t.Errorf("a stranger has %d bytes", len(got))
	}
}
