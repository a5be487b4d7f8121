// Package cli has the commands of the program: those that ask a node, and those that run or prepare one.
//
// # The model
//
//	flags ─▶ a query (GET)       ─▶ table, JSON, YAML or names     with --watch repeatedly, over the stream
//	      └▶ a mutation (POST …) ─▶ accepted                       with --wait: settled, with --dry-run: the plan
//
// --server names the node to ask, and --token the caller. With -o json a command prints the answer of the API unchanged.
package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/client"
)

// ErrUnsettled reports that --wait ended before the affected workers ran where they should.
var ErrUnsettled = errors.New("not settled")

// Streams are the inputs and outputs of commands.
type Streams struct {
	In       io.Reader // nil if no question can be asked
	Out, Err io.Writer
	Getenv   func(string) string // such as os.Getenv
	// SecondSignal receives the signal after the one that ends the context; nil for never.
	SecondSignal <-chan os.Signal
}

// Files reads what a configuration file declares; "" is for the usual one.
type Files func(file string) (config.Declarations, error)

// nodeCommands returns the commands that ask a node.
func nodeCommands(streams Streams, files Files) []*cobra.Command {
	env := &environment{Streams: streams, files: files}
	return []*cobra.Command{
		statusCommand(env), tasksCommand(env), nodesCommand(env), workersCommand(env), runsCommand(env), treeCommand(env),
		scaleCommand(env), pauseCommand(env), resumeCommand(env), resetCommand(env), restartCommand(env), runNowCommand(env),
		deleteCommand(env), moveCommand(env),
		cordonCommand(env), drainCommand(env), uncordonCommand(env), evictCommand(env), labelCommand(env), moveNowCommand(env),
		planCommand(env), applyCommand(env), diffCommand(env),
		explainCommand(env), logsCommand(env), stackCommand(env), eventsCommand(env), decisionsCommand(env),
		leaderCommand(env), reportCommand(env), healthcheckCommand(env),
	}
}

// environment is shared by all commands.
type environment struct {
	Streams
	files Files
	wide  bool // tables are not cut; of the one command that runs
}

// server has the flags of a command that asks a node.
type server struct {
	*environment
	flags config.ClientFlags
}

// server adds the flags of a command that asks a node, and refuses a node of another cluster at the default address.
func (env *environment) server(c *cobra.Command) *server {
	f := env.anyServer(c)
	old := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if err := f.checkCluster(c.Context()); err != nil || old == nil {
			return err
		}
		return old(c, args)
	}
	return f
}

// checkCluster refuses to ask the default address if its node belongs to another cluster than the configuration in this
// directory names. An address that the user chose is asked in any case.
func (f *server) checkCluster(ctx context.Context) error {
	named, by := config.NamedCluster(f.Getenv)
	if named == "" || !f.flags.Default(f.Getenv) {
		return nil
	}
	api, err := f.client()
	if err != nil {
		return err
	}
	return refuseOther(ctx, api, named, by)
}

// refuseOther returns an error if a node belongs to another cluster than by, a file or a variable, names. It accepts a
// node that does not answer: the command itself reports that.
func refuseOther(ctx context.Context, api *client.Client, named, by string) error {
	at, err := node.Identify(ctx, api)
	if err != nil || at.Cluster == named {
		return nil
	}
	return fmt.Errorf(
		"%w: another cluster has the default address: %s is node %s of cluster %s, and %s names cluster %s; "+
			"name the node to ask with --server or XCONSUMER_SERVER",
		config.ErrUsage, api.Server(), at.Node, at.Cluster, by, named,
	)
}

// anyServer adds the flags of a command that asks a node, of whatever cluster.
func (env *environment) anyServer(c *cobra.Command) *server {
	f := &server{environment: env}
	c.Flags().StringVar(&f.flags.URL, "server", "", "URL of the node to ask (default $XCONSUMER_SERVER or "+config.DefaultServer+")")
	c.Flags().StringVar(&f.flags.Token, "token", "", "API token (default $XCONSUMER_API_TOKEN); other users see it in the list of processes")
	c.Flags().StringVar(&f.flags.CA, "ca", "", "file with the CA of the node's certificate (default $XCONSUMER_API_CA, or the system's)")
	c.Flags().StringVar(&f.flags.Cert, "cert", "", "client certificate (default $XCONSUMER_API_CERT)")
	c.Flags().StringVar(&f.flags.Key, "key", "", "key of the client certificate (default $XCONSUMER_API_KEY)")
	return f
}

// client returns the client of the node that the command is to ask.
func (f *server) client() (*client.Client, error) { return f.flags.Client(f.Getenv) }

// withHint adds to an error what to do next. It asks the node for the names that exist if the error is about a name.
func withHint(ctx context.Context, api *client.Client, err error) error {
	refused, _ := errors.AsType[*client.RefusedError](err)
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown):
		return err // it contains the remedy
	case errors.Is(err, client.ErrUnreachable):
		return fmt.Errorf("%w\n%s", err, unreachableHint(err))
	case refused == nil:
		return err
	case isNotTaken(err):
		var flags []string
		for _, e := range refused.Errors {
			flags = append(flags, "--"+strings.TrimPrefix(e.Location, inQuery)+": "+e.Message)
		}
		return fmt.Errorf("%w: %s", config.ErrUsage, strings.Join(flags, "; "))
	case refused.Status == http.StatusServiceUnavailable:
		return fmt.Errorf("%w\nRun `xconsumer doctor` on that node's machine to find the cause, or ask another node with --server", err)
	case refused.Status == http.StatusPreconditionFailed:
		return fmt.Errorf("%w\nIt has changed meanwhile: read it again, then retry", err)
	}
	if hint := hintOf(ctx, api, refused); hint != "" {
		return fmt.Errorf("%w\n%s", err, hint)
	}
	return err
}

// unreachableHint returns what to do if no node answers.
func unreachableHint(err error) string {
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		if invalid, ok := errors.AsType[x509.CertificateInvalidError](untrusted); ok && invalid.Reason == x509.Expired {
			return "Renew the certificate of that node, which reads a new file by itself; or set this machine's clock"
		}
		if _, ok := errors.AsType[x509.HostnameError](untrusted); ok {
			return "Name the node in --server as its certificate does, or give it a certificate for this name"
		}
		return "Name the file with the authority of that certificate: --ca or XCONSUMER_API_CA"
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return "Begin the URL in --server or XCONSUMER_SERVER with https:// for a node with TLS, and with http:// for one without"
	}
	return "Is a node running there? Start a cluster to try out with `xconsumer dev`, a node with `xconsumer run`, or name another with --server"
}

// inQuery is the prefix of the location of a query parameter. Flags have the names of the parameters.
const inQuery = "query."

// isNotTaken reports whether a node refused only values of flags.
func isNotTaken(err error) bool {
	refused, ok := errors.AsType[*client.RefusedError](err)
	if !ok || refused.Status != http.StatusUnprocessableEntity {
		return false
	}
	for _, e := range refused.Errors {
		if !strings.HasPrefix(e.Location, inQuery) {
			return false
		}
	}
	return len(refused.Errors) > 0
}

func outputFlag(c *cobra.Command, formats ...string) *render.Output {
	o := &render.Output{}
	if formats == nil {
		formats = render.Formats
	}
	c.Flags().StringVarP(&o.Format, "output", "o", formats[0], "output format: "+strings.Join(formats, ", "))
	old := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if !slices.Contains(formats, o.Format) {
			return unknownWord("--output: invalid format %q", o.Format, formats)
		}
		if old != nil {
			return old(c, args)
		}
		return nil
	}
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return o
}

// goesOn adds the flag of a command that continues until it is ended, under both of its names.
func goesOn(c *cobra.Command, on *bool, name, usage string) {
	for _, one := range []struct{ name, short string }{{"watch", "w"}, {"follow", "f"}} {
		text := usage
		if one.name != name {
			text = "same as --" + name
		}
		c.Flags().BoolVarP(on, one.name, one.short, false, text)
	}
}

// query is a command that prints an answer of a node.
type query struct {
	*server
	*render.Output
	watch bool
}

func (env *environment) query(c *cobra.Command) *query {
	q := &query{server: env.server(c), Output: env.tables(c)}
	goesOn(c, &q.watch, "watch", "go on, and print the answer again whenever it changes")
	return q
}

// run asks and prints once, or with --watch again after every change.
func (q *query) run(ctx context.Context, once func(ctx context.Context, api *client.Client, out io.Writer) error) (err error) {
	api, err := q.client()
	if err != nil {
		return err
	}
	if !q.watch {
		return withHint(ctx, api, once(ctx, api, q.Out))
	}
	last := ""
	var cutAt time.Time     // when the connection was lost, zero while it stands
	var page *render.Screen // nil if the output is not a terminal
	if terminal.IsTerminal(q.Out) {
		page = render.NewScreen(q.Out, q.size)
		defer func() { err = errors.Join(err, page.Close()) }() // also when the command panics
	}
	lost := func(err error) {
		last = "" // the notice has replaced the answer
		if cutAt.IsZero() {
			cutAt = time.Now()
		}
		reason := terminal.Printable(err.Error())
		if page == nil || !terminal.IsTerminal(q.Err) {
			fmt.Fprintln(q.Err, "xconsumer: cut off, trying again:", reason)
		}
		if page != nil {
			line := strings.ReplaceAll(reason, "\n", " ")
			notice := fmt.Sprintf("xconsumer: cut off since %s, trying again: %s", cutAt.Format(time.TimeOnly), line)
			_ = page.Notify(notice) // if it fails, the next text fails, too
		}
	}
	shown := false
	show := func(client.News) error {
		var b bytes.Buffer
		err := once(ctx, api, &b)
		if err != nil {
			if !shown || ctx.Err() != nil || !errors.Is(err, client.ErrUnreachable) {
				return err
			}
			lost(err) // the stream is about to be lost, too
			return nil
		}
		shown, cutAt = true, time.Time{}
		if b.String() == last {
			return nil
		}
		text := b.String()
		last = text
		if page != nil {
			return page.Show(text)
		}
		_, err = io.WriteString(q.Out, q.Separated(text))
		return err
	}
	return withHint(ctx, api, api.Follow(ctx, lost, show))
}

// queryOne runs a query whose answer is one value.
func queryOne[T any](
	ctx context.Context,
	q *query,
	path string,
	query url.Values,
	tables func(*T, *bytes.Buffer),
	names func(*T) []string,
) error {
	return q.run(ctx, func(ctx context.Context, api *client.Client, out io.Writer) error {
		var answer T
		raw, err := api.Get(ctx, path, query, &answer)
		if err != nil {
			return err
		}
		return q.WriteAnswer(out, raw, func(b *bytes.Buffer) { tables(&answer, b) }, names(&answer))
	})
}
