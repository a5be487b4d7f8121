package cli

import (
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
)

// tables adds the flags of a command that prints tables: --output, and --wide for tables of any width.
func (env *environment) tables(c *cobra.Command, formats ...string) *render.Output {
	c.Flags().BoolVar(&env.wide, "wide", false, "do not cut tables to the width of the terminal")
	return outputFlag(c, formats...)
}

// width returns how wide a table may be, 0 for any.
func (env *environment) width() int {
	if env.wide {
		return 0
	}
	columns, _ := env.size()
	return columns
}

// size returns the size of the terminal, zeros if it is unknown. $COLUMNS overrides the width.
func (env *environment) size() (columns, lines int) {
	columns, lines = terminal.Size(env.Out)
	if n, err := strconv.Atoi(env.Getenv("COLUMNS")); err == nil && n > 0 {
		columns = n
	}
	return columns, lines
}

// Colours of states, on terminals only.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
)

// paint colors a text if out is a terminal.
func (env *environment) paint(out io.Writer, text, colour string) string {
	if !terminal.IsTerminal(out) || env.Getenv("NO_COLOR") != "" || env.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
