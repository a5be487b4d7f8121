package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer"
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
