package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// wish is a command that changes something.
type wish struct {
	*server
	*output
	wait   time.Duration
	dryRun bool
	yes    bool
	key    string
	made   bool // the key is one of this call alone
	// effect says in words what follows from what was accepted, nil for nothing to say.
	effect func(accepted *client.Accepted) string
}

// usualWait is how long --wait waits unless it is said.
const usualWait = "5m"

func (s *shell) wish(c *cobra.Command) *wish {
	w := &wish{server: s.server(c), output: s.tables(c)}
	c.Flags().DurationVar(
		&w.wait,
		"wait",
		0,
		"waits until everything that it touches runs where it should, for at most this long ("+usualWait+" if no value is given), as in --wait=30s",
	)
	c.Flags().Lookup("wait").NoOptDefVal = usualWait
	notNegative(c, "wait", &w.wait)
	YesFlag(c, &w.yes)
	c.Flags().StringVar(
		&w.key,
		"idempotency-key",
		"",
		"the key of an earlier call of the same command, so that it is done once (default: a new key)",
	)
	return w
}

// YesFlag adds --yes, which every command that changes something takes, so that scripts can always give it.
func YesFlag(c *cobra.Command, yes *bool) {
	c.Flags().BoolVarP(yes, "yes", "y", false, "does not ask for confirmation; commands that never ask take it, too")
}

// planned adds --dry-run.
func (w *wish) planned(c *cobra.Command) *wish {
	c.Flags().BoolVar(&w.dryRun, "dry-run", false, "shows what it would do, and does not do it")
	return w
}

// do asks for what is wished, or shows the plan of the same operations. Without any it cannot be planned.
func (w *wish) do(ctx context.Context, wish client.Request, planned ...cluster.Operation) error {
	api, err := w.client()
	if err != nil {
		return err
	}
	if w.dryRun && len(planned) > 0 {
		plan, raw, err := api.Plan(ctx, planned)
		if err != nil {
			return advise(err)
		}
		return w.print(w.Out, raw, func(b *bytes.Buffer) { showPlan(b, &plan, w.width()) }, movedNames(&plan))
	}
	accepted, err := w.ask(ctx, api, wish)
	if err != nil {
		return advise(err)
	}
	effect := ""
	if w.effect != nil {
		effect = w.effect(&accepted)
	}
	return w.tell(&accepted, effect)
}

// ask asks a node for what is wished, and waits for as long as was said.
func (w *wish) ask(ctx context.Context, api *client.Client, wish client.Request) (client.Accepted, error) {
	if wish.Key == "" {
		wish.Key = w.keyOfThis()
	}
	if wish.Wait = w.wait; w.wait > 0 {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		ended := w.progress(watching, api)
		defer func() { stop(); <-ended }()
	}
	accepted, err := api.Do(ctx, wish)
	if errors.Is(err, client.ErrOutcomeUnknown) {
		err = fmt.Errorf("%w\nLook at the cluster, or call this again with --idempotency-key %s: it is done once then", err, w.keyOfThis())
	}
	return accepted, err
}

// keyOfThis returns the key of this call.
func (w *wish) keyOfThis() string {
	if w.key == "" {
		w.key, w.made = rand.Text(), true
	}
	return w.key
}

// tell writes the answer, with what follows from it, "" for nothing to say.
func (w *wish) tell(accepted *client.Accepted, effect string) error {
	raw, err := json.Marshal(accepted)
	if err != nil {
		return err
	}
	err = w.print(w.Out, raw, func(b *bytes.Buffer) {
		fmt.Fprintf(b, "accepted: %s\n", accepted.Accepted)
		if accepted.Repeated && !w.made { // else an answer was lost, and the command itself asked again
			b.WriteString("it was done before, with the same key\n")
		}
		if effect != "" {
			fmt.Fprintln(b, effect)
		}
		if accepted.Settled != nil && *accepted.Settled {
			if b.WriteString("settled\n"); len(accepted.Unplaced) > 0 {
				fmt.Fprintln(b, "without a place:", strings.Join(accepted.Unplaced, "; "))
			}
		}
	}, []string{accepted.Revision})
	if err == nil && accepted.Settled != nil && !*accepted.Settled {
		err = fmt.Errorf(
			"%w after %v: %s\nIt goes on all the same; look at it with `xconsumer status --watch`",
			ErrUnsettled,
			w.wait,
			strings.Join(accepted.Waiting, "; "),
		)
	}
	return err
}

// progress shows how far the cluster is, on a terminal, until ctx ends.
func (w *wish) progress(ctx context.Context, api *client.Client) (ended <-chan struct{}) {
	done := make(chan struct{})
	if !terminal.IsTerminal(w.Err) {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		_ = api.Follow(ctx, nil, func(n client.News) error { // it is told of by the command itself
			running, wanted := n.State.Tally()
			line := bytes.NewBufferString(fmt.Sprintf("\r\x1b[K%d of %s running", running, plural.Of(wanted, "worker")))
			for _, node := range n.State.Nodes {
				if node.Drain != nil && node.Drain.Left > 0 {
					fmt.Fprintf(line, ", %s has %d of %d left", node.Name, node.Drain.Left, node.Drain.From)
				}
			}
			_, err := line.WriteTo(w.Err)
			return err
		})
		fmt.Fprint(w.Err, "\r\x1b[K")
	}()
	return done
}

// errNo: somebody was asked, and does not want it.
var errNo = errors.New("nothing was done")

func (w *wish) confirm(what string) error { return Confirm(w.Streams, what, w.yes || w.dryRun) }

// confirmFor is confirm for something that there must be; whoever is to be asked about it is not if there is none.
func (w *wish) confirmFor(ctx context.Context, path, what string) error {
	if w.yes || w.dryRun {
		return nil
	}
	api, err := w.client()
	if err != nil {
		return err
	}
	if _, err := api.Get(ctx, path, nil, new(any)); err != nil {
		return advise(err)
	}
	return w.confirm(what)
}

// Confirm asks whether to go on, unless that was said already.
func Confirm(w Streams, what string, yes bool) error {
	if yes {
		return nil
	}
	if !readable(w.In) {
		return fmt.Errorf("%w: %s? Say so with --yes", config.ErrUsage, what)
	}
	fmt.Fprintf(w.Err, "%s? [y/N] ", what)
	line, err := bufio.NewReader(w.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errNo
	}
	return nil
}

// readable tells whether there is somebody to ask.
func readable(in io.Reader) bool {
	if in == nil {
		return false
	}
	if w, ok := in.(io.Writer); ok {
		return terminal.IsTerminal(w)
	}
	return true // a test
}
