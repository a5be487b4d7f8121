package doctor

import (
	"bytes"
	"errors"
	"fmt"
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
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
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
			d.peers(t.Context(), s)
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
