package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/peers"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/metrics"
)

// serve runs a node, and its HTTP API on a listener, until ctx ends.
func (p *process) serve(
	ctx context.Context,
	s config.Settings,
	node *xconsumer.Node,
	programs *command.Keeper,
	listener net.Listener,
) error {
	log := p.log
	api := httpapi.New(withPrograms{node.Admin(), programs}, httpapi.Options{ //nolint:contextcheck // requests bring their own
		Peers: &httpapi.Peers{
			Secret:    s.Secret,
			Shared:    func(ctx context.Context) ([]byte, error) { return peers.SharedSecret(ctx, s) },
			Advertise: s.Advertise,
			TLS:       s.Access.TLS.Peer(log),
		},
		Access: s.Access.Open(log),
		Build:  p.Build,
		Config: public(s),
		Log:    log,
		Level:  p.level,
		Metrics: func(api func() []cluster.Measure) http.Handler {
			return metrics.New(node.Admin(), s.Cluster, p.Build.Version, api)
		},
	})
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	var feeding sync.WaitGroup
	feeding.Go(func() { _ = api.Run(serving) }) // it returns nil
	server := &http.Server{
		Handler:           api,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		TLSConfig:         s.Access.TLS.Server(log),
	}
	served := make(chan error, 1)
	go func() {
		var err error
		if server.TLSConfig != nil {
			err = server.ServeTLS(listener, "", "")
		} else {
			err = server.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) && serving.Err() == nil { // otherwise the process is ending
			log.Error("the HTTP API has failed; the node continues", "error", err)
		}
		served <- err
	}()
	err := node.Run(ctx)
	end()
	if errors.Is(err, xconsumer.ErrStuck) {
		return err // nothing may delay the end of the process
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 300*time.Millisecond)
	defer cancel()
	if server.Shutdown(closing) != nil {
		_ = server.Close()
	}
	feeding.Wait()
	if serr := <-served; err == nil && !errors.Is(serr, http.ErrServerClosed) {
		err = fmt.Errorf("http: %w", serr)
	}
	return err
}

// advertised returns the address that the node publishes to other nodes.
func advertised(s config.Settings) string {
	if s.Advertise != "" && s.Access.TLS.On() {
		return "https://" + s.Advertise
	}
	return s.Advertise
}

// public returns the configuration for the API. It contains no secret, no arguments of programs, and no values of variables.
func public(s config.Settings) map[string]any {
	tokens := []map[string]any{}
	for _, t := range s.Access.Open(slog.New(slog.DiscardHandler)).All() {
		tokens = append(tokens, map[string]any{"name": t.Name, "role": t.Role})
	}
	works := []map[string]any{}
	for _, w := range s.Works {
		works = append(works, map[string]any{"name": w.Name, "program": w.Argv[0], "dir": w.Dir, "user": w.User})
	}
	return map[string]any{
		"file": s.File, "cluster": s.Cluster, "name": s.Name, "service": s.Service.String(), "joined": s.Service.Joined,
		"http": map[string]any{
			"listen": s.Listen, "advertise": s.Advertise, "hosts": s.Access.Hosts, "insecure": s.Access.Insecure, "tls": s.Access.TLS.On(),
			"clientCertificates": s.Access.TLS.ClientCA != "", "tokens": tokens, "secret": peers.Secretless(s) == "",
		},
		"leader": map[string]any{"workers": s.Leader}, "rebalance": s.Rebalance,
		"node": map[string]any{
			"labels": s.Labels, "weight": s.Weight, "capacity": s.Capacity, "restartGrace": cluster.Duration(s.RestartGrace),
		},
		"works": works, "tasks": s.Tasks, "logKeep": s.LogBytes,
	}
}
