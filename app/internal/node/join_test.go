package node

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
)

// With --join a node joins the only cluster there is, or the one that is named, whatever others there are.
func TestJoinOneOfSeveralClusters(t *testing.T) {
	server := etcdserver.Start(t, 1)
	file := filepath.Join(t.TempDir(), "app.toml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	joined := func(cluster string) (string, error) {
		t.Helper()
		s, err := config.Load(config.Flags{Config: file, Join: "http://" + server.Addrs()[0], Cluster: cluster}, func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		s, err = Join(t.Context(), s, log)
		return s.Cluster, err
	}
	found := func(cluster string) {
		t.Helper()
		s, err := config.Load(config.Flags{Config: file, Join: "http://" + server.Addrs()[0]}, func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		store, err := s.Service.Open(log)
		if err != nil {
			t.Fatal(err)
		}
		session, err := store.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = session.Close() }()
		if _, err := membership.Bootstrap(t.Context(), session, schema.NewKeys(cluster), 0); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := joined(""); got != config.DefaultCluster || err != nil {
		t.Errorf("without a cluster: %q, %v", got, err)
	}
	found("dd")
	if got, err := joined(""); got != "dd" || err != nil {
		t.Errorf("the only one: %q, %v", got, err)
	}
	found("ee")
	if got, err := joined(""); !errors.Is(err, config.ErrUsage) || !strings.Contains(err.Error(), "dd, ee; name one with --cluster") {
		t.Errorf("one of several: %q, %v", got, err)
	}
	for _, named := range []string{"dd", "ee", "new"} {
		if got, err := joined(named); got != named || err != nil {
			t.Errorf("%s by name: %q, %v", named, got, err)
		}
	}
}
