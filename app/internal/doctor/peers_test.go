package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/peers"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/test/apinode"
	"gitee.com/ken.yang/xconsumer/test/authority"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
)

// What the file says of etcd counts only where etcd asks for it: with a user and without authentication it keeps no
// secret, and doctor and the start say so.
func TestEtcdThatAsksNobody(t *testing.T) {
	server := etcdserver.Start(t, 1)
	endpoint := "http://" + server.Addrs()[0]
	admin, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	table := fmt.Sprintf("[etcd]\nendpoints = [%q]\nsessionTimeout = \"20s\"\nusername = \"root\"\npassword = \"p\"\n[http]\n", endpoint)
	s := settingsOf(t, table+"tokens = [\"ada admin a-very-long-secret-of-ada\"]\n")
	store, err := s.Service.Open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	session, err := store.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := schema.NewKeys("default")
	if _, err := membership.Bootstrap(t.Context(), session, keys, 0); err != nil {
		t.Fatal(err)
	}
	_ = session.Close()
	reported := func() (doctored, logged string) {
		answered(t, func() error {
			var log bytes.Buffer
			d := &doctor{Config: Config{Show: func(Finding) {}}}
			d.peers(t.Context(), nil, s, nil)
			peers.WarnOpenStore(t.Context(), s, slog.New(slog.NewTextHandler(&log, nil)))
			doctored, logged = fmt.Sprint(d.list), log.String()
			if strings.Contains(doctored, "fix the problems of etcd first") || strings.Contains(logged, "could not find out") {
				return errors.New(doctored + logged)
			}
			return nil
		})
		return doctored, logged
	}
	if got, err := sharedSecret(t, s); !errors.Is(err, httpapi.ErrNoSecret) || !strings.Contains(err.Error(), "etcdctl auth enable") {
		t.Errorf("everybody may read it: %d bytes, %v", len(got), err)
	}
	if kept, err := admin.Get(t.Context(), keys.PeerSecret()); err != nil || kept.Count > 0 {
		t.Errorf("it is kept nevertheless: %d, %v", kept.Count, err)
	}
	if doctored, logged := reported(); !strings.Contains(doctored, "{peers warning") || !strings.Contains(doctored, "etcdctl auth enable") || !strings.Contains(logged, "level=WARN") || !strings.Contains(logged, "etcdctl auth enable") {
		t.Errorf("doctor: %s; log: %s", doctored, logged)
	}
	known, err := sharedSecret(t, settingsOf(t, table)) // where nobody has to say who they are
	if err != nil {
		t.Errorf("%d bytes, %v", len(known), err)
	}
	if _, err := admin.UserAdd(t.Context(), "root", "p"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.UserGrantRole(t.Context(), "root", "root"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.AuthEnable(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed, err := sharedSecret(t, s)
	if err != nil || len(closed) < schema.MinPeerSecret || bytes.Equal(closed, known) {
		t.Errorf("with authentication: %d bytes, that everybody could read: %v; %v", len(closed), bytes.Equal(closed, known), err)
	}
	if again, err := sharedSecret(t, settingsOf(t, table)); err != nil || !bytes.Equal(again, closed) {
		t.Errorf("a node that asks nobody has another one, %v", err)
	}
	if doctored, logged := reported(); !strings.Contains(doctored, "{peers ok") || logged != "" {
		t.Errorf("doctor: %s; log: %s", doctored, logged)
	}
}

// doctor asks the nodes as they ask each other, so that it finds a secret or an authority that differs, and an address that
// leads to another node.
func TestDoctorAsksNodes(t *testing.T) {
	const secret, other = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	ca, foreign := authority.New(t), authority.New(t)
	ca.Issue("n1", false)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := func(ca *authority.Authority) config.Settings {
		return settingsOf(t, fmt.Sprintf("[zookeeper]\nhost = \"127.0.0.1:1\"\nusername = \"u\"\npassword = \"p\"\n[http]\nsecretFile = %q\n[http.tls]\nca = %q\n", file, ca.File("ca.crt")))
	}
	log := slog.New(slog.DiscardHandler)
	served := config.TLS{Cert: ca.File("n1.crt"), Key: ca.File("n1.key")}
	node := func(secret string) (advertise string) {
		p := &httpapi.Peers{Secret: []byte(secret)}
		url := apinode.ServeTLS(t, apinode.New(cluster.State{}), httpapi.Options{Peers: p, Log: log}, served.Server(log))
		p.Advertise = strings.TrimPrefix(url, "https://")
		return url
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	well, differs := node(secret), node(other)
	for name, c := range map[string]struct {
		member   cluster.Member
		trusted  *authority.Authority
		state    string
		want, to string
	}{
		"well":              {cluster.Member{Node: "n1", Host: host, Advertise: well}, ca, fine, "requests from here to 1 node were answered", ""},
		"another secret":    {cluster.Member{Node: "n1", Host: host, Advertise: differs}, ca, warning, "does not prove that it is n1", "same secret"},
		"another node":      {cluster.Member{Node: "n2", Host: host, Advertise: well}, ca, warning, "n2 is not at " + strings.TrimPrefix(well, "https://") + ": this is n1", "advertise of n2"},
		"another authority": {cluster.Member{Node: "n1", Host: host, Advertise: well}, foreign, warning, "presents a certificate that is not trusted", "[http.tls] ca"},
		"nothing there":     {cluster.Member{Node: "n1", Host: host, Advertise: "https://127.0.0.1:1"}, ca, warning, "cannot be reached: connection refused", "advertise"},
		"loopback far away": {cluster.Member{Node: "n1", Host: host + "-far", Advertise: well}, ca, warning, "n1 has no address that other machines reach", "advertise"},
	} {
		t.Run(name, func(t *testing.T) {
			session, err := mem.New(mem.Config{}).Client().Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = session.Close() }()
			keys, m := schema.NewKeys("default"), schema.Member{Member: c.member}
			m.Address = "127.0.0.1:8800"
			if _, err := session.Commit(t.Context(), coord.Create(keys.Member("a"), schema.Encode(&m, 0))); err != nil {
				t.Fatal(err)
			}
			d := &doctor{Config: Config{Show: func(Finding) {}, Waiting: io.Discard}}
			d.peers(t.Context(), session, settings(c.trusted), []coord.Entry{{Name: "a"}})
			if len(d.list) != 1 || d.list[0].State != c.state || !strings.Contains(d.list[0].Found, c.want) || !strings.Contains(d.list[0].Fix, c.to) {
				t.Errorf("%+v; want %s, %q and %q", d.list, c.state, c.want, c.to)
			}
		})
	}
}

// A node of this configuration is known by its name, over TLS too, when the service does not answer.
func TestDoctorKnowsItsNodeWithoutService(t *testing.T) {
	ca := authority.New(t)
	ca.Issue("n1", false)
	log := slog.New(slog.DiscardHandler)
	served := config.TLS{Cert: ca.File("n1.crt"), Key: ca.File("n1.key")}
	url := apinode.ServeTLS(t, apinode.New(cluster.State{}), httpapi.Options{Log: log}, served.Server(log))
	for name, want := range map[string]string{"n1": "{node ok a node named n1", "n2": "{address wrong "} {
		s := settingsOf(t, fmt.Sprintf("[node]\nname = %q\n[zookeeper]\nhost = \"127.0.0.1:1\"\n[http]\nlisten = %q\n", name, strings.TrimPrefix(url, "https://")))
		d := &doctor{Config: Config{Show: func(Finding) {}}}
		d.place(t.Context(), nil, s)
		if got := fmt.Sprint(d.list); !strings.HasPrefix(got, "["+want) || !strings.Contains(got, "a node named n1") {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
}

// What is said of the API on a loopback address includes the protection that it has.
func TestDoctorOnLoopback(t *testing.T) {
	ca := authority.New(t)
	ca.Issue("n1", false)
	const table = "[zookeeper]\nhost = \"127.0.0.1:1\"\n[http]\n"
	for text, want := range map[string]string{
		table: "127.0.0.1:8800: reached from this machine only",
		table + "tokens = [\"ada admin a-very-long-secret-of-ada\"]\n":                                 "127.0.0.1:8800: reached from this machine only, with authentication",
		table + fmt.Sprintf("[http.tls]\ncert = %q\nkey = %q\n", ca.File("n1.crt"), ca.File("n1.key")): "127.0.0.1:8800: reached from this machine only, over TLS",
	} {
		d := &doctor{Config: Config{Show: func(Finding) {}}}
		d.http(settingsOf(t, text))
		if len(d.list) == 0 || d.list[0].Found != want || d.list[0].State != fine {
			t.Errorf("%s: %+v; want %s", text, d.list, want)
		}
	}
}

// sharedSecret returns the secret of the nodes, or why they have none.
func sharedSecret(t *testing.T, s config.Settings) (secret []byte, err error) {
	t.Helper()
	answered(t, func() error {
		secret, err = peers.SharedSecret(t.Context(), s)
		if errors.Is(err, httpapi.ErrNoSecret) {
			return nil
		}
		return err
	})
	return secret, err
}

// answered repeats what asks a server until that has answered. A stranger waits for 2 s at most, as do doctor and a node, which
// ask again: a server on a machine with much to do takes longer now and then.
func answered(t *testing.T, ask func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		err = ask()
		if err == nil {
			return
		}
	}
	t.Fatalf("no answer: %v", err)
}

// settingsOf returns the settings of a node with an app.toml.
func settingsOf(t *testing.T, text string) config.Settings {
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
