// Package cli_test runs every command as people type it, on clusters that run. The scripts in testdata are
// documentation, too.
package cli_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/fleet"
)

func TestMain(m *testing.M) {
	etcdserver.Serve() // does not return in a process that is to be a server
	goleak.VerifyTestMain(m)
}

func TestScripts(t *testing.T) {
	bin := filepath.Dir(fleet.Shipped(t))
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("COLUMNS", "200")
			for _, name := range []string{"GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GONOSUMDB"} {
				out, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				env.Setenv(name, strings.TrimSpace(string(out)))
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"cluster": startCluster,
			"exits":   exits,
		},
	})
}

// exits runs a command that must exit with a code: exits 4 xconsumer scale nope 3.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit %d; want %s", code, args[0])
	}
}

// startCluster starts a cluster for the script, with its app.toml if it has one, and sets $XCONSUMER_SERVER and $ETCD to the
// cluster: cluster [NODES].
func startCluster(ts *testscript.TestScript, neg bool, args []string) {
	nodes := 3
	if len(args) > 0 {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		nodes = n
	}
	if neg {
		ts.Fatalf("usage: cluster [NODES]")
	}
	bin := filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], "xconsumer")
	env := []string{"HOME=" + ts.Getenv("HOME"), "XCONSUMER_HTTP_TOKENS=" + ts.Getenv("XCONSUMER_HTTP_TOKENS")}
	c, err := fleet.RunDev(bin, ts.MkAbs("."), nodes, env, ts.Defer)
	ts.Check(err)
	ts.Defer(func() { ts.Logf("log of dev:\n%s", c.Log.Tail(80)) }) // shown if the script fails
	if ts.Getenv("XCONSUMER_HTTP_TOKENS") == "" {
		ts.Check(settled(c.Server))
	}
	ts.Setenv("XCONSUMER_SERVER", c.Server)
	ts.Setenv("ETCD", c.Etcd)
}

// settled waits until a new cluster has assigned its work and would move nothing.
func settled(server string) error {
	api, err := client.New(server, client.Options{})
	if err != nil {
		return err
	}
	calm := 0
	for end := time.Now().Add(time.Minute); calm < 3; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		plan, _, err := api.Plan(ctx, nil)
		state, _, serr := api.State(ctx)
		cancel()
		calm++
		if err != nil || serr != nil || len(plan.Moves)+len(plan.Starts)+len(plan.Stops) > 0 || !running(&state) {
			calm = 0
		}
		if time.Now().After(end) {
			return fmt.Errorf("it does not settle: %+v, %w", plan, errors.Join(err, serr))
		}
	}
	return nil
}

// running reports whether all workers that have a node run there.
func running(s *cluster.State) bool {
	for i := range s.Workers {
		if w := &s.Workers[i]; w.Node != "" && w.State != cluster.WorkerRunning {
			return false
		}
	}
	return true
}
