package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// mutation is a command that changes something.
type mutation struct {
	*server
	*render.Output
	wait   time.Duration
	dryRun bool
	yes    bool
	key    string
	made   bool // the key was made for this call
	// effect describes the consequence of an accepted operation, nil for none.
	effect func(accepted *client.Accepted) string
}

// usualWait is the limit of --wait without a value.
const usualWait = "5m"

func (env *environment) mutation(c *cobra.Command) *mutation {
	m := &mutation{server: env.server(c), Output: env.tables(c)}
	c.Flags().DurationVar(
		&m.wait,
		"wait",
		0,
		"wait until all affected workers run where they should, for at most this long ("+usualWait+" without a value), as in --wait=30s",
	)
	c.Flags().Lookup("wait").NoOptDefVal = usualWait
	notNegative(c, "wait", &m.wait)
	yesFlag(c, &m.yes)
	c.Flags().StringVar(
		&m.key,
		"idempotency-key",
		"",
		"key of an earlier call of the same command, so that it is done once (default: a new key)",
	)
	return m
}

// planned adds --dry-run.
func (m *mutation) planned(c *cobra.Command) *mutation {
	c.Flags().BoolVar(&m.dryRun, "dry-run", false, "show what the command would do, without doing it")
	return m
}

// do sends a request, or with --dry-run shows the plan of the operations. A request without operations has no plan.
func (m *mutation) do(ctx context.Context, request client.Request, planned ...cluster.Operation) error {
	api, err := m.client()
	if err != nil {
		return err
	}
	if m.dryRun && len(planned) > 0 {
		plan, raw, err := api.Plan(ctx, planned)
		if err != nil {
			return withHint(ctx, api, err)
		}
		return m.WriteAnswer(m.Out, raw, func(b *bytes.Buffer) { render.Plan(b, &plan, m.width()) }, render.MovedWorkers(&plan))
	}
	accepted, err := m.send(ctx, api, request)
	if err != nil {
		return withHint(ctx, api, err)
	}
	effect := ""
	if m.effect != nil {
		effect = m.effect(&accepted)
	}
	return m.report(&accepted, effect)
}

// send sends a request to the node, and with --wait waits for its effect.
func (m *mutation) send(ctx context.Context, api *client.Client, request client.Request) (client.Accepted, error) {
	if request.Key == "" {
		request.Key = m.keyOfThis()
	}
	request.Wait = m.wait
	if m.wait > 0 {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		ended := m.progress(watching, api)
		defer func() { stop(); <-ended }()
	}
	accepted, err := api.Do(ctx, request)
	if errors.Is(err, client.ErrOutcomeUnknown) {
		err = fmt.Errorf("%w\nLook at the cluster, or call this again with --idempotency-key %s: it is done once then", err, m.keyOfThis())
	}
	return accepted, err
}

// keyOfThis returns the idempotency key of this call.
func (m *mutation) keyOfThis() string {
	if m.key == "" {
		m.key, m.made = rand.Text(), true
	}
	return m.key
}

// report writes the answer with its effect, "" for none.
func (m *mutation) report(accepted *client.Accepted, effect string) error {
	raw, err := json.Marshal(accepted)
	if err != nil {
		return err
	}
	err = m.WriteAnswer(m.Out, raw, func(b *bytes.Buffer) {
		fmt.Fprintf(b, "accepted: %s\n", accepted.Accepted)
		if accepted.Repeated && !m.made { // otherwise an answer was lost, and the command repeated its own request
			b.WriteString("it was done before, with the same key\n")
		}
		if effect != "" {
			fmt.Fprintln(b, effect)
		}
		if accepted.Settled != nil && *accepted.Settled {
			b.WriteString("settled\n")
			if len(accepted.Unplaced) > 0 {
				fmt.Fprintln(b, "without a place:", strings.Join(accepted.Unplaced, "; "))
			}
		}
	}, []string{accepted.Revision})
	if err == nil && accepted.Settled != nil && !*accepted.Settled {
		err = fmt.Errorf(
			"%w after %v: %s\nIt goes on all the same; look at it with `xconsumer status --watch`",
			ErrUnsettled,
			m.wait,
			strings.Join(accepted.Waiting, "; "),
		)
	}
	return err
}

// progress shows on a terminal how many workers run, until ctx ends. The channel is closed when it no longer writes.
func (m *mutation) progress(ctx context.Context, api *client.Client) (ended <-chan struct{}) {
	done := make(chan struct{})
	if !terminal.IsTerminal(m.Err) {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		_ = api.Follow(ctx, nil, func(n client.News) error { // the command itself reports an error
			running, wanted := n.State.Tally()
			line := bytes.NewBufferString(fmt.Sprintf("\r\x1b[K%d of %s running", running, plural.Of(wanted, "worker")))
			for _, node := range n.State.Nodes {
				if node.Drain != nil && node.Drain.Left > 0 {
					fmt.Fprintf(line, ", %s has %d of %d left", node.Name, node.Drain.Left, node.Drain.From)
				}
			}
			_, err := line.WriteTo(m.Err)
			return err
		})
		fmt.Fprint(m.Err, "\r\x1b[K")
	}()
	return done
}

// confirm asks whether to continue, unless --yes or --dry-run is given.
func (m *mutation) confirm(what string) error { return confirm(m.Streams, what, m.yes || m.dryRun) }

// confirmFor is confirm about an object of the API. If the object does not exist, it returns that error without a question.
func (m *mutation) confirmFor(ctx context.Context, path, what string) error {
	if m.yes || m.dryRun {
		return nil
	}
	api, err := m.client()
	if err != nil {
		return err
	}
	if _, err := api.Get(ctx, path, nil, new(any)); err != nil {
		return withHint(ctx, api, err)
	}
	return m.confirm(what)
}
