package cli

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
)

// table is rows of cells; the first one is the heading.
type table [][]string

func (t *table) add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = dash(strings.ReplaceAll(fmt.Sprint(c), "\n", " "))
	}
	*t = append(*t, row)
}

// write writes rows as columns, no wider than the terminal if there is one: what does not fit is cut from the
// widest column.
func (t table) write(b *bytes.Buffer, width int) {
	columns := 0
	for _, row := range t {
		columns = max(columns, len(row))
	}
	widths := make([]int, columns)
	for _, row := range t {
		for i, cell := range row {
			if len(row) > 1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	const gap = 2
	for width > 0 {
		total, widest := -gap, 0
		for i, w := range widths {
			total += w + gap
			if w > widths[widest] {
				widest = i
			}
		}
		if total <= width || widths[widest] <= 8 {
			break
		}
		widths[widest] = max(8, widths[widest]-(total-width))
	}
	for _, row := range t {
		var line strings.Builder
		for i, cell := range row {
			if n := utf8.RuneCountInString(cell); width > 0 && len(row) > 1 && n > widths[i] {
				cell = string([]rune(cell)[:widths[i]-1]) + "…"
			}
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+gap))
			}
		}
		b.WriteString(cut(strings.TrimRight(line.String(), " "), width) + "\n")
	}
}

// cut returns what of a line fits in a width, 0 for any.
func cut(line string, width int) string {
	if width > 0 && utf8.RuneCountInString(line) > width {
		return string([]rune(line)[:width-1]) + "…"
	}
	return line
}

// tables adds the flags of a command that prints tables: --output, and --wide, which leaves them as wide as they are.
func (env *environment) tables(c *cobra.Command, formats ...string) *output {
	c.Flags().BoolVar(&env.wide, "wide", false, "cuts nothing, however wide the terminal is")
	return outputFlag(c, formats...)
}

// width returns how wide a table may be, 0 for any.
func (env *environment) width() int {
	if env.wide {
		return 0
	}
	return env.columns()
}

// columns returns how wide the terminal is, 0 if there is none.
func (env *environment) columns() int {
	if n, err := strconv.Atoi(env.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	columns, _ := env.size()
	return columns
}

// height returns how many lines the terminal has, 0 if there is none.
func (env *environment) height() int {
	_, lines := env.size()
	return lines
}

// size returns the size of the terminal, zeros if there is none.
func (env *environment) size() (columns, lines int) {
	f, ok := env.Out.(interface{ Fd() uintptr })
	if !ok || !terminal.IsTerminal(env.Out) {
		return 0, 0
	}
	columns, lines, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
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

// paint colours words in a text that is for a terminal.
func (env *environment) paint(out io.Writer, text, colour string) string {
	if !terminal.IsTerminal(out) || env.Getenv("NO_COLOR") != "" || env.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// oneLine returns a text, all of it, as one line.
func oneLine(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", " ") }

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
