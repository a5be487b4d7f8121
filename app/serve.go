package app

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
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/metrics"
)

// serve runs a node, and its HTTP API on a listener, until ctx ends.
func serve(ctx context.Context, s settings, node *xconsumer.Node, programs *command.Keeper, listener net.Listener, log *slog.Logger) error {
	api := httpapi.New(withPrograms{node.Admin(), programs}, httpapi.Options{ //nolint:contextcheck // requests bring their own
		Peers:  &httpapi.Peers{Secret: s.secret, Shared: s.sharedSecret, Advertise: s.advertise, TLS: s.access.tls.peer()},
		Access: s.access.open(log),
		Build:  buildVersion(), Config: s.public(), Log: log, Level: s.level,
		Metrics: func(api func() []cluster.Measure) http.Handler {
			return metrics.New(node.Admin(), s.cluster, buildVersion().Version, api)
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
		TLSConfig:         s.access.tls.server(log),
	}
	served := make(chan error, 1)
	go func() {
		var err error
		if server.TLSConfig != nil {
			err = server.ServeTLS(listener, "", "")
		} else {
			err = server.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) && serving.Err() == nil { // else the process is ending
			log.Error("the HTTP API has ended; the node goes on", "error", err)
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

// advertised is where other nodes reach this one, as they are told.
func (s settings) advertised() string {
	if s.advertise != "" && s.access.tls.on() {
		return "https://" + s.advertise
	}
	return s.advertise
}

// public is the configuration as everybody may see it: no secret, no arguments of programs, no values of
// variables.
func (s settings) public() map[string]any {
	tokens := []map[string]any{}
	for _, t := range s.access.open(slog.New(slog.DiscardHandler)).All() {
		tokens = append(tokens, map[string]any{"name": t.Name, "role": t.Role})
	}
	works := []map[string]any{}
	for _, w := range s.works {
		works = append(works, map[string]any{"name": w.Name, "program": w.Argv[0], "dir": w.Dir, "user": w.User})
	}
	return map[string]any{
		"file": s.file, "cluster": s.cluster, "name": s.name, "service": s.service.String(), "joined": s.service.joined,
		"http": map[string]any{
			"listen": s.listen, "advertise": s.advertise, "hosts": s.access.hosts, "insecure": s.access.insecure, "tls": s.access.tls.on(),
			"clientCertificates": s.access.tls.clientCA != "", "tokens": tokens, "secret": s.secretless() == "",
		},
		"leader": map[string]any{"workers": s.leader}, "moving": s.moving,
		"node":  map[string]any{"labels": s.labels, "weight": s.weight, "capacity": s.capacity},
		"works": works, "tasks": s.tasks, "logKeep": s.logBytes,
	}
}
