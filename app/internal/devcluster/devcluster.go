// Package devcluster is xconsumer dev: a cluster on one machine, with an etcd server in this process and each node in a process
// of its own.
package devcluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/logging"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/etcdserver"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// Config configures a cluster on one machine.
type Config struct {
	config.Settings
	Register func(node *xconsumer.Node) // of the program's works
	Nodes    int
	Data     string // the directory that keeps the cluster's data, "" to delete the data at the end
	Asked    bool   // whether the HTTP address is explicit

	Out, Err io.Writer
	Env      func(string) string
	Again    <-chan os.Signal // receives a second signal
}

// Run runs a cluster on this machine until ctx ends: several nodes, each in a process of its own, and etcd in this one.
func Run(ctx context.Context, cfg Config) error {
	logging.OutliveReaders()
	return (&dev{Config: cfg}).run(ctx)
}

// dev is a cluster on one machine.
type dev struct {
	Config

	dir    string   // temporary
	works  []string // of the program, where no app.toml names tasks
	addrs  []string
	server *etcdserver.Server
	group  *procGroup
	token  string // of dev itself, if its nodes require one
}

// maxNodes bounds a cluster on one machine.
const maxNodes = 50

// quiet is rebalance.quiet on one machine, where nodes are restarted within a second and someone watches. A file with settings of the
// cluster says all of them, so that apply and diff find no other ones.
const quiet = "2s"

// bannerWait bounds how long the banner waits for all workers.
const bannerWait = 15 * time.Second

func (d *dev) run(ctx context.Context) (err error) {
	if d.Nodes < 1 || d.Nodes > maxNodes {
		return fmt.Errorf("%w: --nodes: %d is not between 1 and %d", config.ErrUsage, d.Nodes, maxNodes)
	}
	if d.Listen == "off" {
		return fmt.Errorf("%w: --http: the nodes of xconsumer dev need one", config.ErrUsage)
	}
	if !d.Asked {
		d.Listen = config.DefaultListen // the address of the file does not count
	}
	d.group = newProcGroup(d, d.Nodes)
	d.group.env = append(d.group.env, config.TogetherVariable+"="+strconv.Itoa(d.Nodes))
	if a := d.Access; len(a.Tokens) > 0 || a.TokensFile != "" || a.TLS.ClientCA != "" {
		d.token = rand.Text()
		d.group.env = append(d.group.env, config.TokensVariable+"="+d.Env(config.TokensVariable)+"\ndev admin "+d.token)
	}
	if d.Leader == "" && d.Rebalance == (cluster.Rebalance{}) {
		d.group.env = append(d.group.env, config.QuietVariable+"="+quiet)
	}
	log, err := d.group.logger("dev")
	if err != nil {
		return err
	}
	defer logging.LastWords(log, nil)
	d.logIgnored(log)
	d.addrs, err = d.addresses(ctx)
	if err != nil {
		return err
	}
	if !d.Asked && d.addrs[0] != d.Listen {
		d.logMoved(ctx, log)
	}
	d.dir, err = os.MkdirTemp("", Prefix)
	if err != nil {
		return etcdserver.DirError(os.TempDir(), err)
	}
	cleanup := startCleanup(d.dir, log)
	defer cleanup()
	config, err := d.configFile()
	if err != nil {
		return err
	}
	keep := d.Data
	if keep == "" {
		keep = filepath.Join(d.dir, "data")
	}
	d.server, err = etcdserver.Start(ctx, etcdserver.Config{Dir: keep, Forget: d.Data == "", Log: log})
	if err != nil {
		return err
	}
	defer d.server.Close()
	for i, addr := range d.addrs {
		name := nodeOf(i)
		d.group.add(name, []string{"run", "--join", d.server.URL(), "--cluster", d.Cluster, "--name", name, "--http", addr, "--config", config})
	}
	return d.work(ctx, log)
}

// nodeOf returns the name of a node.
func nodeOf(i int) string { return "n" + strconv.Itoa(i+1) }

// work runs the nodes until ctx ends or etcd fails.
func (d *dev) work(ctx context.Context, log *slog.Logger) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel(nil)
	helpers.Go(func() { d.banner(ctx, log) })
	helpers.Go(func() {
		select {
		case err := <-d.server.Err():
			err = fmt.Errorf("the embedded etcd has failed: %w", err)
			log.Error("stopping the cluster", "error", err)
			cancel(err)
		case <-ctx.Done():
		}
	})
	err := d.group.run(ctx, log)
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// logIgnored logs the keys of the file that do not count here.
func (d *dev) logIgnored(log *slog.Logger) {
	ignored := d.Service.Ignored
	if d.HTTPInFile {
		ignored = append(ignored, "[http]")
	}
	if len(ignored) > 0 {
		log.Info("ignored: dev brings its own", "file", d.File, "keys", strings.Join(ignored, ", "))
	}
}

// logMoved logs that commands reach another cluster unless they are given this one's address.
func (d *dev) logMoved(ctx context.Context, log *slog.Logger) {
	by := "another program"
	if name := node.At(ctx, d.Listen); name != "" {
		by = "a node named " + name + ", as of another xconsumer dev"
	}
	log.Warn(
		"the default address is taken, and commands ask it unless --server names another",
		"address",
		d.Listen,
		"holder",
		by,
		"fix",
		"export XCONSUMER_SERVER=http://"+d.addrs[0],
	)
}

// addresses returns an address for each node. The first is the explicit one, the default one or the next free port; the
// others follow it.
func (d *dev) addresses(ctx context.Context) ([]string, error) {
	host, port, err := net.SplitHostPort(d.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: http.listen: %w", config.ErrConfig, err)
	}
	next, _ := strconv.Atoi(port)
	var addrs []string
	for tried := 0; len(addrs) < d.Nodes; tried++ {
		if next > math.MaxUint16 {
			return nil, fmt.Errorf(
				"%w: http: %s take a free port each from %s on, and the last port is %d; choose a lower one with --http",
				node.ErrUnavailable,
				plural.Of(d.Nodes, "node"),
				d.Listen,
				math.MaxUint16,
			)
		}
		addr := net.JoinHostPort(host, strconv.Itoa(next))
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", addr)
		switch {
		case err == nil:
			addrs = append(addrs, l.Addr().String())
			_ = l.Close()
		case d.Asked && len(addrs) == 0, tried > node.PortsToTry+d.Nodes:
			return nil, node.WrapListen(addr, err)
		}
		if next > 0 { // for port 0 the system chooses each port
			next++
		}
	}
	return addrs, nil
}

// configFile returns the configuration file for the nodes: the user's, or a new one that declares two workers of every work.
func (d *dev) configFile() (string, error) {
	if d.File != "" {
		return filepath.Abs(d.File)
	}
	node, err := xconsumer.New(nil, xconsumer.Config{Cluster: d.Cluster, Name: "dev", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	d.Register(node)
	var b strings.Builder
	fmt.Fprintln(&b, "# Written by xconsumer dev, which found no app.toml: two workers of every work.")
	d.works = node.Admin().Works()
	for _, work := range d.works {
		fmt.Fprintf(&b, "[[task]]\nname = %q\nworkName = %q\nworkerNum = 2\n", work, work)
	}
	file := filepath.Join(d.dir, config.DefaultFile)
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return "", etcdserver.DirError(d.dir, err)
	}
	return file, nil
}
