// Package help lays out the help of the commands, in English and in Chinese, and writes it as manual pages.
package help

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Start begins the description of the program.
const Start = `Keep N workers of every task running across a fleet of machines.

Start here: ` + "`xconsumer dev`" + ` runs a whole cluster on this machine; ` + "`xconsumer status --watch`" + ` shows it.`

// groups are the commands in the order of the help of the program.
var groups = []struct {
	id, title string
	commands  []string
}{
	{"start", "Start:", []string{"dev", "init", "doctor", "run"}},
	{"look", "Look at a cluster:", []string{
		"status", "tree", "tasks", "nodes", "workers", "runs", "logs", "events", "leader",
	}},
	{"explain", "Find out why:", []string{"explain", "decisions", "stack", "report"}},
	{"tasks", "Change tasks and workers:", []string{
		"apply", "diff", "plan", "scale", "pause", "resume", "reset", "restart", "run-now", "delete", "move",
	}},
	{"nodes", "Operate nodes:", []string{"cordon", "drain", "uncordon", "evict", "label", "move-now", "healthcheck"}},
	{"admin", "Administer clusters:", []string{"config", "cluster", "protocol", "token"}},
	{"about", "This program:", []string{"help", "completion", "version"}},
}

// group puts the commands of the program into their groups.
func group(root *cobra.Command) {
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range root.Commands() {
			for _, name := range g.commands {
				if c.Name() == name {
					c.GroupID = g.id
				}
			}
		}
	}
}

// Prepare groups the commands below the program's command and sets their layout, in the language that the environment asks
// for. All commands must be there.
func Prepare(root *cobra.Command, getenv func(string) string) {
	group(root)
	root.SetUsageFunc(english.writeUsage)
	Walk(root, func(c *cobra.Command) {
		for _, f := range Flags(c) {
			switch f.Name {
			case "help":
				f.Usage = "show this help"
			case "version":
				f.Usage = "show the version"
			}
		}
	})
	if isChinese(getenv) {
		translate(root)
	}
}

// headings are the words of a help page that belong to no command or flag.
type headings struct {
	usage, examples, commands, flags string
	standard, end                    string // before and after the value that a flag has without being given
	more                             string // where the help of a command is, with %s for the command above it
}

var english = headings{
	usage:    "Usage:",
	examples: "Examples:",
	commands: "Commands:",
	flags:    "Flags:",
	standard: " (default ",
	end:      ")",
	more:     `Use "%s [command] --help" to read more about a command.`,
}

// standardValue is the value that a flag has without being given, as package pflag writes it at the end of a line.
var standardValue = regexp.MustCompile(`(?m) \(default (.*)\)$`)

// writeUsage writes all of a help page but the description at its top.
func (h *headings) writeUsage(c *cobra.Command) error {
	var b strings.Builder
	b.WriteString(h.usage)
	if c.Runnable() {
		b.WriteString("\n  " + c.UseLine())
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("\n  " + c.CommandPath() + " [command]")
	}
	if c.HasExample() {
		b.WriteString("\n\n" + h.examples + "\n" + c.Example)
	}
	if c.HasAvailableSubCommands() {
		h.listCommands(&b, c)
	}
	if c.HasAvailableLocalFlags() {
		flags := strings.TrimRight(c.LocalFlags().FlagUsages(), " \n")
		b.WriteString("\n\n" + h.flags + "\n" + standardValue.ReplaceAllString(flags, h.standard+"$1"+h.end))
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("\n\n" + fmt.Sprintf(h.more, c.CommandPath()))
	}
	_, err := fmt.Fprintln(c.OutOrStderr(), b.String())
	return err
}

// listCommands lists the commands below another one, in groups if it has groups.
func (h *headings) listCommands(b *strings.Builder, c *cobra.Command) {
	of := c.Groups()
	if len(of) == 0 {
		of = []*cobra.Group{{Title: h.commands}}
	}
	for _, g := range of {
		b.WriteString("\n\n" + g.Title)
		for _, sub := range c.Commands() {
			if sub.GroupID == g.ID && (sub.IsAvailableCommand() || sub.Name() == "help") {
				fmt.Fprintf(b, "\n  %-*s %s", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
}

// Walk calls a function with a command and with every command below it that its help lists.
func Walk(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			Walk(sub, do)
		}
	}
}

// Flags returns the flags that the help of a command lists.
func Flags(c *cobra.Command) (list []*pflag.Flag) {
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			list = append(list, f)
		}
	})
	return list
}
