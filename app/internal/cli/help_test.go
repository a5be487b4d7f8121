package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Help speaks to its reader: "Show the nodes", not "Shows the nodes". So do flags that switch something on.
func TestHelpIsImperative(t *testing.T) {
	root := New(Program{}, Streams{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }})
	check := func(where, text string) {
		first, _, _ := strings.Cut(text, " ")
		if strings.HasSuffix(strings.TrimSuffix(first, ","), "s") {
			t.Errorf("%s: %q: begin with an imperative", where, text)
		}
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		check(c.CommandPath(), c.Short)
		check(c.CommandPath(), c.Long)
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "bool" {
				check(c.CommandPath()+" --"+f.Name, f.Usage)
			}
			if first := f.Usage[:1]; first != "" && strings.ToUpper(first) == first && strings.ToUpper(f.Usage[1:2]) != f.Usage[1:2] && !strings.HasPrefix(f.Usage, "ZooKeeper") {
				t.Errorf("%s --%s: %q: begin with a small letter", c.CommandPath(), f.Name, f.Usage)
			}
		})
		for _, sub := range c.Commands() {
			if sub.Name() != "completion" { // it is cobra's
				walk(sub)
			}
		}
	}
	walk(root)
}
