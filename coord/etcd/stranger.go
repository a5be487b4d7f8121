package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gitee.com/ken.yang/xconsumer/coord"
)

// strangerTimeout is how long a server may take to answer a stranger.
const strangerTimeout = 2 * time.Second

// OpenToAll reports whether any client that reaches one of the servers may read a key, which need not exist. It reads the
// key as a stranger would: without a username and without a client certificate. A configured username proves nothing: etcd
// ignores it until authentication is enabled, and may ask for certificates without insisting on them. False means that at
// least one server has answered and refused, and none has let a stranger in. It does not mean that no other user of etcd
// may read the key. After an error the answer is unknown.
func (s *Store) OpenToAll(ctx context.Context, key string) (bool, error) {
	answers := make([]error, len(s.cfg.Endpoints))
	var asked sync.WaitGroup
	for i, endpoint := range s.cfg.Endpoints {
		asked.Go(func() { answers[i] = s.asStranger(ctx, endpoint, key) })
	}
	asked.Wait()
	refused := false
	var failed error
	for i, err := range answers {
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, coord.ErrUnauthorized):
			refused = true
		default:
			failed = fmt.Errorf("etcd at %s: %w", s.cfg.Endpoints[i], err)
		}
	}
	if refused {
		return false, nil
	}
	return false, failed
}

// asStranger reads a key as a stranger would. The error matches coord.ErrUnauthorized if the server refuses it.
func (s *Store) asStranger(ctx context.Context, endpoint, key string) error {
	ctx, cancel := context.WithTimeout(ctx, strangerTimeout)
	defer cancel()
	cfg := s.cfg
	cfg.Endpoints, cfg.Username, cfg.Password = []string{endpoint}, "", ""
	if strings.HasPrefix(endpoint, "https://") && cfg.TLS != nil {
		cfg.TLS = cfg.TLS.Clone()
		cfg.TLS.Certificates, cfg.TLS.GetClientCertificate = nil, nil
		if err := knock(ctx, &http.Transport{TLSClientConfig: cfg.TLS.Clone(), DisableKeepAlives: true}, endpoint); err != nil {
			return err
		}
	}
	stranger := &Store{cfg: cfg, log: s.log, clock: s.clock, probed: map[string]bool{}}
	client, _, err := stranger.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	_, err = client.Get(clientv3.WithRequireLeader(ctx), s.cfg.Prefix+key, clientv3.WithKeysOnly())
	return answerError(ctx, err)
}

// knock finds out whether a server accepts a client without a certificate. To gRPC, a server that refuses such a client
// looks like one that is down.
func knock(ctx context.Context, how *http.Transport, endpoint string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/version", nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: how}).Do(req)
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" {
		return fmt.Errorf("%w: %w", coord.ErrUnauthorized, err)
	}
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
