package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/internal/spelling"
)

// args wants arguments of certain names.
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

// ofWait says how a duration is given to --wait if it stands behind it as an argument: the flag goes without one, too.
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

// noArgs refuses arguments that a command would ignore.
var noArgs = args()

// unknownCommand is the error of a command that there is not, with the one that was meant.
func unknownCommand(c *cobra.Command, name string) error {
	var known []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	text := fmt.Sprintf("unknown command %q", name)
	if near := spelling.Nearest(name, known); near != "" {
		text += fmt.Sprintf(", did you mean %q?", near)
	}
	return usage(c, text)
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

// flagError is the error of flags that a command does not have, or not with these values. Before them stands a command
// that there is not: it is what they were meant for.
func flagError(c *cobra.Command, err error) error {
	if before := c.Flags().Args(); c.HasSubCommands() && len(before) > 0 {
		return unknownCommand(c, before[0])
	}
	text := err.Error()
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		short, name := unknown.GetSpecifiedShortnames(), unknown.GetSpecifiedName()
		switch {
		case short != "" && short[0] >= '0' && short[0] <= '9':
			text = fmt.Sprintf("-%s: negative numbers are not taken here", short)
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

// usage is the error of a command that was called as it cannot be.
func usage(c *cobra.Command, text string) error {
	see := "; see"
	if strings.HasSuffix(text, "?") {
		see = " See"
	}
	return fmt.Errorf("%w: %s%s %s --help", config.ErrUsage, text, see, c.CommandPath())
}
