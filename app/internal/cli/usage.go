package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/logview"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/spelling"
)

// args requires arguments with certain names: [X] may be left out, and X... may be repeated.
func args(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		most, least := len(names), 0
		for _, n := range names {
			switch {
			case strings.HasSuffix(n, "..."):
				most = 1 << 20
				least++
			case !strings.HasPrefix(n, "["):
				least++
			}
		}
		if len(args) >= least && len(args) <= most {
			return nil
		}
		if c.HasSubCommands() && len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		want, got := "no arguments", "none"
		if len(names) > 0 {
			want = strings.Join(names, " ")
		}
		if len(args) > 0 {
			got = strings.Join(args, " ")
		}
		hint := ""
		switch {
		case c.ArgsLenAtDash() >= 0 && len(args) > most:
			hint = "; flags go before the --"
		case len(args) > most:
			hint = ofWait(c, args)
		}
		return usage(c, fmt.Sprintf("%s takes %s, got %s%s", c.CommandPath(), want, got, hint))
	}
}

// ofWait returns the right form of --wait if a duration follows it as an argument. The flag also works without a value.
func ofWait(c *cobra.Command, args []string) string {
	wait := c.Flags().Lookup("wait")
	if wait == nil || !wait.Changed {
		return ""
	}
	for _, a := range args {
		if _, err := time.ParseDuration(a); err == nil {
			return "; write --wait=" + a
		}
	}
	return ""
}

// noArgs refuses all arguments.
var noArgs = args()

// unknownCommand is the error of a command that does not exist. It suggests the one that was meant.
func unknownCommand(c *cobra.Command, name string) error {
	var known []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			known = append(known, sub.Name())
		}
	}
	text := fmt.Sprintf("unknown command %q", name)
	if near := spelling.Nearest(name, known); near != "" {
		text += fmt.Sprintf(", did you mean %q?", near)
	}
	return usage(c, text)
}

// unknownWord is the error of a word that is not one of those that are known. It suggests the one that was meant. The format
// takes the word.
func unknownWord(format, word string, known []string) error {
	text := fmt.Sprintf(format, word)
	if near := spelling.Nearest(word, known); near != "" {
		text += fmt.Sprintf(", did you mean %q?", near)
	}
	return fmt.Errorf("%w: %s (want %s)", config.ErrUsage, text, strings.Join(known, ", "))
}

// hintWait bounds the wait for the names that a hint is made from.
const hintWait = 2 * time.Second

// hintOf returns a hint for a task, a node or a worker that a node did not find, "" for other errors.
func hintOf(ctx context.Context, api *client.Client, refused *client.RefusedError) string {
	var noun string
	for _, err := range []error{cluster.ErrNoTask, cluster.ErrNoNode, cluster.ErrNoSlot} {
		if refused.Title == err.Error() {
			noun = refused.Title
		}
	}
	if noun == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, hintWait)
	defer cancel()
	state, _, err := api.State(ctx)
	if err != nil {
		state = cluster.State{} // the hint names the command that lists what exists
	}
	_, name, _ := strings.Cut(refused.Detail, noun+": ")
	return hintFor(&state, noun, nameIn(name))
}

// nameIn returns the name at the beginning of a text: quoted, or up to the first space.
func nameIn(text string) string {
	quoted, err := strconv.QuotedPrefix(text)
	if name, uerr := strconv.Unquote(quoted); err == nil && uerr == nil {
		return name
	}
	name, _, _ := strings.Cut(text, " ")
	return strings.TrimRight(name, ";,:")
}

// hintFor returns the hint for the name of a task, node or worker that does not exist; noun is the beginning of the error.
func hintFor(state *cluster.State, noun, name string) (hint string) {
	switch noun {
	case cluster.ErrNoNode.Error():
		var nodes []string
		for _, list := range [][]cluster.NodeInfo{state.Nodes, state.Lost} {
			for i := range list {
				nodes = append(nodes, list[i].Name)
			}
		}
		hint = logview.Instead(name, nodes, "nodes")
	default:
		task, index, one := strings.Cut(name, "#")
		task, run := cluster.SplitRun(task)
		if one {
			task += "#" + index
		}
		target, _ := logview.ParseTarget(task, run)
		hint = target.Hint(state)
	}
	return strings.ToUpper(hint[:1]) + hint[1:]
}

// notNegative has a command refuse a flag that is less than 0.
func notNegative[N int | int64 | time.Duration](c *cobra.Command, flag string, value *N) {
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if *value < 0 {
			return usage(c, fmt.Sprintf("--%s: %v is less than 0", flag, *value))
		}
		if before != nil {
			return before(c, args)
		}
		return nil
	}
}

// flagError is the error of flags that a command does not have, or whose values it refuses. If arguments before the flags
// name a command that does not exist, that is the error: the flags were meant for it.
func flagError(c *cobra.Command, err error) error {
	if before := c.Flags().Args(); c.HasSubCommands() && len(before) > 0 {
		return unknownCommand(c, before[0])
	}
	text := err.Error()
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		short, name := unknown.GetSpecifiedShortnames(), unknown.GetSpecifiedName()
		switch {
		case short != "" && short[0] >= '0' && short[0] <= '9':
			text = fmt.Sprintf("invalid argument \"-%s\": negative numbers are not allowed; %s takes %s", short, c.CommandPath(), argumentsOf(c))
		case short != "":
			text = fmt.Sprintf("unknown flag: -%s; names do not begin with -", short)
		default:
			var known []string
			c.Flags().VisitAll(func(f *pflag.Flag) {
				if !f.Hidden {
					known = append(known, f.Name)
				}
			})
			text = fmt.Sprintf("unknown flag: --%s", name)
			if near := spelling.Nearest(name, known); near != "" {
				text += fmt.Sprintf(", did you mean --%s?", near)
			}
		}
	}
	return usage(c, text)
}

// argumentsOf returns the names of the arguments of a command, as its help shows them.
func argumentsOf(c *cobra.Command) string {
	if _, names, some := strings.Cut(c.Use, " "); some {
		return names
	}
	return "no arguments"
}

// usage is the error of a wrong call of a command.
func usage(c *cobra.Command, text string) error {
	see := "; see"
	if strings.HasSuffix(text, "?") {
		see = " See"
	}
	return fmt.Errorf("%w: %s%s %s --help", config.ErrUsage, text, see, c.CommandPath())
}
