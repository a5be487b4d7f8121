package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app"
	"gitee.com/ken.yang/xconsumer/internal/leader"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// Variables that make a node misbehave.
const (
	strayVariable    = "E2E_STRAYS"   // start processes that try to outlive the node
	stubbornVariable = "E2E_STUBBORN" // take so long to stop
	effectsVariable  = "E2E_EFFECTS"  // write to the register, once a second
)

// misbehave does what a node process should not.
func misbehave(dir string, node *xconsumer.Node) {
	if os.Getenv(strayVariable) != "" {
		for name, script := range map[string]string{
			"child":   `echo $$ > %s; exec sleep 1000`,
			"session": `exec setsid sh -c 'echo $$ > %s; exec sleep 1000'`,
			"orphan":  `(setsid sh -c 'echo $$ > %s; exec sleep 1000' &) ; exit 0`,
		} {
			file := filepath.Join(dir, "stray-"+name)
			cmd := exec.Command("sh", "-c", "trap '' TERM HUP; "+fmt.Sprintf(script, file))
			if err := cmd.Start(); err != nil {
				slog.Error("stray", "error", err)
			}
		}
	}
	if text, ok := strings.CutPrefix(node.Name(), "exit"); ok {
		if code, err := strconv.Atoi(text); err == nil {
			go func() {
				for len(node.Ready()) > 0 { // an end before it is a member means something else
					time.Sleep(10 * time.Millisecond)
				}
				os.Exit(code)
			}()
		}
	}
}

// poison takes its process down: no work can be protected from a panic in a goroutine of another's.
func poison(ctx context.Context, w *xconsumer.Worker) error {
	w.Logger().Info("poison begins")
	go func() {
		time.Sleep(100 * time.Millisecond)
		panic("poison")
	}()
	<-ctx.Done()
	return nil
}

// misbehaveWork does what a work should not.
func misbehaveWork(ctx context.Context, node string, w *xconsumer.Worker) {
	if stubborn, err := time.ParseDuration(os.Getenv(stubbornVariable)); err == nil {
		<-ctx.Done()
		slog.Info("stubborn", "node", node, "task", w.Task())
		time.Sleep(stubborn)
	}
}

// planVariable names a file that says how a leader's decisions go wrong while it is there: "hang" or "panic".
const planVariable = "E2E_PLAN"

// serve is the program, whose decisions may go wrong.
func serve(register app.Register) {
	file := os.Getenv(planVariable)
	if file == "" {
		app.Main(register)
	}
	ctx := leader.WithPlanner(context.Background(), func(in planner.Input) planner.Plan {
		switch how, _ := os.ReadFile(file); string(how) {
		case "hang":
			for how, err := os.ReadFile(file); err == nil && string(how) == "hang"; how, err = os.ReadFile(file) {
				time.Sleep(50 * time.Millisecond)
			}
		case "panic":
			panic("the planner is at fault")
		}
		return planner.Make(in)
	})
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	code := app.Run(ctx, os.Args[1:], register, app.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv})
	stop()
	os.Exit(code)
}
