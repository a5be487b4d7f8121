package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/cli"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/internal/etcdserver"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/supervise"
)

func devCommand(register Register, streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "dev",
		Short: "Runs a whole cluster on this machine: several nodes, and etcd inside this process",
		Long: `Runs a whole cluster on this machine: several nodes, each a process of its own, and the
coordination service, an etcd inside this process that only this machine can reach. It takes tasks
and settings from app.toml; without one, two workers of every work that the program has. Ctrl-C ends
all of it.`,
		Args: cli.NoArgs,
		Example: `  xconsumer dev
  xconsumer dev --nodes 5 --http 127.0.0.1:9000
  xconsumer dev --data ./data`,
	}
	var flags runFlags
	var d dev
	c.Flags().IntVar(&d.nodes, "nodes", 3, "how many nodes")
	c.Flags().StringVar(&flags.http, "http", "", "address of the first node's HTTP API (default "+defaultListen+"); the others take the next free ports")
	c.Flags().StringVar(&flags.config, "config", "", "configuration file (default app.toml, if there is one)")
	c.Flags().StringVar(&flags.cluster, "cluster", "", "name of the cluster")
	c.Flags().StringVar(&d.data, "data", "", "directory that keeps the cluster's data (default: they are gone at the end)")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		flags.join = "http://" + net.JoinHostPort("127.0.0.1", "1") // chosen later
		if d.settings, err = loadSettings(flags, streams.Env); err != nil {
			return err
		}
		outliveReaders()
		d.streams, d.register, d.asked = streams, register, flags.http != ""
		return d.run(c.Context())
	}
	return c
}

// dev is a cluster on one machine.
type dev struct {
	settings
	streams  Streams
	register Register
	nodes    int
	data     string // "" for none that is kept
	asked    bool   // the HTTP address was asked for

	dir    string   // temporary
	works  []string // of the program, where no app.toml names tasks
	addrs  []string
	server *etcdserver.Server
	crew   *foreman
	token  string // of dev itself, if its nodes want one
}

// maxNodes bounds a cluster on one machine.
const maxNodes = 50

// ready bounds how long it is waited for all workers before it is said where everything is.
const ready = 15 * time.Second

func (d *dev) run(ctx context.Context) (err error) {
	if d.nodes < 1 || d.nodes > maxNodes {
		return fmt.Errorf("%w: --nodes: %d is not between 1 and %d", config.ErrUsage, d.nodes, maxNodes)
	}
	if d.listen == "off" {
		return fmt.Errorf("%w: --http: the nodes of xconsumer dev need one", config.ErrUsage)
	}
	if !d.asked {
		d.listen = defaultListen // whatever the file says
	}
	d.crew = newForeman(d.streams, d.nodes)
	if a := d.access; len(a.tokens) > 0 || a.tokensFile != "" || a.tls.clientCA != "" {
		d.token = rand.Text()
		d.crew.env = append(d.crew.env, tokensVariable+"="+d.streams.Env(tokensVariable)+"\ndev admin "+d.token)
	}
	log, err := d.crew.logger("dev")
	if err != nil {
		return err
	}
	defer lastWords(log, nil)
	d.tellIgnored(log)
	if d.addrs, err = d.addresses(ctx); err != nil {
		return err
	}
	if !d.asked && d.addrs[0] != d.listen {
		d.tellMoved(ctx, log)
	}
	if d.dir, err = os.MkdirTemp("", devPrefix); err != nil {
		return etcdserver.DirError(os.TempDir(), err)
	}
	cleanup := startJanitor(d.dir, log)
	defer cleanup()
	config, err := d.configFile()
	if err != nil {
		return err
	}
	keep := d.data
	if keep == "" {
		keep = filepath.Join(d.dir, "data")
	}
	if d.server, err = etcdserver.Start(ctx, etcdserver.Config{Dir: keep, Forget: d.data == "", Log: log}); err != nil {
		return err
	}
	defer d.server.Close()
	for i, addr := range d.addrs {
		name := nodeOf(i)
		d.crew.add(name, []string{"run", "--join", d.server.URL(), "--cluster", d.cluster, "--name", name, "--http", addr, "--config", config})
	}
	return d.work(ctx, log)
}

// nodeOf names the nodes.
func nodeOf(i int) string { return "n" + strconv.Itoa(i+1) }

// work runs the nodes until ctx ends or etcd fails.
func (d *dev) work(ctx context.Context, log *slog.Logger) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel(nil)
	helpers.Go(func() { d.welcome(ctx, log) })
	helpers.Go(func() {
		select {
		case err := <-d.server.Err():
			err = fmt.Errorf("the embedded etcd has failed: %w", err)
			log.Error("ending all of it", "error", err)
			cancel(err)
		case <-ctx.Done():
		}
	})
	err := d.crew.run(ctx, log)
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// tellIgnored says what of the file does not count here.
func (d *dev) tellIgnored(log *slog.Logger) {
	ignored := d.service.ignored
	if d.httpInFile {
		ignored = append(ignored, "[http]")
	}
	if len(ignored) > 0 {
		log.Info("ignored: dev brings its own", "file", d.file, "keys", strings.Join(ignored, ", "))
	}
}

// tellMoved says that commands ask somebody else unless they are told this cluster's address.
func (d *dev) tellMoved(ctx context.Context, log *slog.Logger) {
	by := "another program"
	if name := nodeAt(ctx, d.listen); name != "" {
		by = "a node named " + name + ", as of another xconsumer dev"
	}
	log.Warn("the default address is taken, and commands ask it unless they are told otherwise", "address", d.listen, "by", by, "fix", "export XCONSUMER_SERVER=http://"+d.addrs[0])
}

// addresses finds one for each node: the first as asked for, or the default one, or the next
// free port; the others after it.
func (d *dev) addresses(ctx context.Context) ([]string, error) {
	host, port, err := net.SplitHostPort(d.listen)
	if err != nil {
		return nil, fmt.Errorf("%w: http.listen: %w", errConfig, err)
	}
	next, _ := strconv.Atoi(port)
	var addrs []string
	for tried := 0; len(addrs) < d.nodes; tried++ {
		if next > math.MaxUint16 {
			return nil, fmt.Errorf("%w: http: %s take a free port each from %s on, and the last port is %d; choose a lower one with --http", errUnavailable, plural.Of(d.nodes, "node"), d.listen, math.MaxUint16)
		}
		addr := net.JoinHostPort(host, strconv.Itoa(next))
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", addr)
		switch {
		case err == nil:
			addrs = append(addrs, l.Addr().String())
			_ = l.Close()
		case d.asked && len(addrs) == 0, tried > portsToTry+d.nodes:
			return nil, wrapListen(addr, err)
		}
		if next > 0 { // else any port will do
			next++
		}
	}
	return addrs, nil
}

// configFile returns the file for the nodes: the one there is, or one that declares two workers of
// every work.
func (d *dev) configFile() (string, error) {
	if d.file != "" {
		return filepath.Abs(d.file)
	}
	node, err := xconsumer.New(nil, xconsumer.Config{Cluster: d.cluster, Name: "dev", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	d.register(node)
	var b strings.Builder
	fmt.Fprintln(&b, "# Written by xconsumer dev, which found no app.toml: two workers of every work.")
	d.works = node.Admin().Works()
	for _, work := range d.works {
		fmt.Fprintf(&b, "[[task]]\nname = %q\nworkName = %q\nworkerNum = 2\n", work, work)
	}
	file := filepath.Join(d.dir, defaultConfigFile)
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return "", etcdserver.DirError(d.dir, err)
	}
	return file, nil
}

// devPrefix begins the names of temporary directories.
const devPrefix = "xconsumer-dev-"

// startJanitor starts a process that removes a temporary directory when this one has ended, in
// whatever way. The function that it returns does so at once.
func startJanitor(dir string, log *slog.Logger) (cleanup func()) {
	if !supervise.Supported {
		return func() { _ = os.RemoveAll(dir) }
	}
	p, err := supervise.Spawn([]string{janitorName, dir}, os.Environ(), nil, nil)
	if err != nil {
		log.Warn("the temporary directory will stay if this process is killed", "directory", dir, "error", err)
		return func() { _ = os.RemoveAll(dir) }
	}
	return func() {
		_ = os.RemoveAll(dir)
		p.Release()
		p.Wait()
	}
}

const janitorName = "dev-janitor"

// janitorCommand is what startJanitor starts.
func janitorCommand() *cobra.Command {
	return &cobra.Command{
		Use: janitorName, Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			child := supervise.NewChild()
			if child == nil || !strings.HasPrefix(filepath.Base(args[0]), devPrefix) {
				return fmt.Errorf("%w: %s is for xconsumer dev alone", config.ErrUsage, janitorName)
			}
			child.Orphaned()
			for range 50 { // processes that are ending may still write to it
				if err := os.RemoveAll(args[0]); err != nil {
					time.Sleep(100 * time.Millisecond)
					continue
				}
				if _, err := os.Stat(args[0]); errors.Is(err, fs.ErrNotExist) {
					break
				}
			}
			return nil
		},
	}
}
