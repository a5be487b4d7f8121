package app

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/cli"
)

// Every command that the help lists has examples: of itself or of a command below it, with flags and arguments that it takes.
func TestExamples(t *testing.T) {
	root := cli.New(cli.Program{Register: func(*xconsumer.Node) {}}, Streams{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }})
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				walk(sub)
			}
		}
		lines := commandsIn("```sh\n" + c.Example + "\n```")
		if len(lines) == 0 {
			t.Errorf("%s: there is no example", c.CommandPath())
		}
		name := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), root.Name()), " ")
		for _, line := range lines {
			if line != name && !strings.HasPrefix(line, name+" ") && c != root {
				t.Errorf("%s: %q is an example of another command", c.CommandPath(), line)
			}
			check(t, c.CommandPath(), line, strings.Fields(quoted.ReplaceAllString(line, "{}")), nil)
		}
	}
	walk(root)
}
