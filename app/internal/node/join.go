package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/address"
)

// Errors of the addresses on the command line.
var (
	// ErrUnavailable: an address is in use, or nothing listens there; exit 69.
	ErrUnavailable = errors.New("not available")
	// ErrNotEtcd: the service at an address is not etcd; exit 76.
	ErrNotEtcd = errors.New("not etcd")
)

const lookTimeout = 5 * time.Second

// Join returns the settings of a node that joins the etcd of --join. It uses the cluster in that etcd, unless a flag or
// variable names one, and ignores the coordination service of the file.
func Join(ctx context.Context, s config.Settings, log *slog.Logger) (config.Settings, error) {
	found, err := look(ctx, s.Service, log)
	if err != nil {
		return s, err
	}
	ignored := s.Service.Ignored
	switch {
	case s.Named || len(found) == 0:
	case len(found) > 1:
		return s, fmt.Errorf(
			"%w: there are several clusters at %s: %s; name one with --cluster",
			config.ErrUsage,
			s.Service.Joined,
			strings.Join(found, ", "),
		)
	case found[0] != s.Cluster:
		if s.Cluster != config.DefaultCluster {
			ignored = append(ignored, "cluster")
		}
		s.Cluster = found[0]
	}
	if len(ignored) > 0 {
		log.Info("ignored because of --join", "file", s.File, "keys", strings.Join(ignored, ", "), "cluster", s.Cluster)
	}
	return s, nil
}

// look checks that --join names an etcd, and returns the names of the clusters in it.
func look(ctx context.Context, s config.Service, log *slog.Logger) (names []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := checkEtcd(ctx, s.Etcd.Endpoints[0]); err != nil {
		return nil, err
	}
	store, err := s.Open(log)
	if err != nil {
		return nil, err
	}
	session, err := store.Open(ctx)
	if err != nil {
		return nil, Unopened(err)
	}
	defer func() { _ = session.Close() }()
	clusters, err := session.List(ctx, "/xconsumer")
	if err != nil {
		return nil, Unopened(&coord.UnansweredError{Service: "etcd", Reasons: []string{s.Joined + ": " + address.Reason(err)}, Err: err})
	}
	for _, c := range clusters {
		names = append(names, c.Name)
	}
	return names, nil
}

// checkEtcd requests the version, which etcd serves over plain HTTP.
func checkEtcd(ctx context.Context, endpoint string) error {
	fetch := func(path string) (body []byte, err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+path, nil)
		if err != nil {
			return nil, err
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		return io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	}
	body, err := fetch("/version")
	var version struct {
		Etcdserver string `json:"etcdserver"`
	}
	switch {
	case err != nil && !strings.Contains(err.Error(), "malformed HTTP"):
		return fmt.Errorf("%w: nothing answers at %s: %s; is `xconsumer dev` running there?", ErrUnavailable, endpoint, address.Reason(err))
	case err == nil && json.Unmarshal(body, &version) == nil && version.Etcdserver != "":
		return nil
	}
	hint := ""
	if body, err := fetch("/healthz"); err == nil && strings.Contains(string(body), `"node":`) {
		hint = ", but the HTTP address of a node"
	}
	return fmt.Errorf(
		"%w: the service at %s is not etcd%s: --join takes the etcd address that `xconsumer dev` prints",
		ErrNotEtcd,
		endpoint,
		hint,
	)
}

// Unopened returns the error of a session that could not be opened, with a hint to doctor. An error that a retry cannot cure
// keeps its own exit code.
func Unopened(err error) error {
	if errors.Is(err, coord.ErrUnauthorized) || errors.Is(err, coord.ErrUnsupported) {
		return err
	}
	return fmt.Errorf("%w: %w; see `xconsumer doctor`", ErrUnavailable, err)
}
