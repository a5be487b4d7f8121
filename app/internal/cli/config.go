package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

func configCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	check := &cobra.Command{
		Use:   "check",
		Short: "Check app.toml and show the place of every mistake; exit 78 if there is one",
		Long: `Check app.toml, with the flags and variables that ` + "`xconsumer run`" + ` takes too, and show the place of every mistake;
exit 78 if there is one. With -o json the mistakes are problems of one object, each with line, column, key, message
and, where it is known, fix; ok reports whether there are none. A file that names no coordination service is good
for xconsumer dev, which brings its own: that is a warning.`,
		Args: noArgs,
	}
	flags, o := configFlags(check), outputFlag(check, "table", "json", "yaml")
	check.RunE = func(*cobra.Command, []string) error {
		refused := func(err error) error {
			if !o.ForPrograms() {
				return err
			}
			file, problems := config.ProblemsOf(err)
			if perr := o.Print(streams.Out, map[string]any{"ok": false, "file": file, "problems": problems}, ""); perr != nil {
				return perr
			}
			return err
		}
		s, err := config.Check(*flags, streams.Getenv)
		if err != nil {
			return refused(err)
		}
		service := ""
		if !s.Service.None() {
			service = fmt.Sprint(s.Service)
		}
		file := s.File
		if file == "" {
			file = "configuration without a file"
		}
		for _, r := range s.Remarks {
			s.Warnings = append(s.Warnings, r.Text+"; "+r.Fix)
		}
		for _, text := range s.Warnings {
			fmt.Fprintln(streams.Err, "xconsumer: warning:", terminal.Printable(text))
		}
		over := " over " + service
		if service == "" {
			over = " for `xconsumer dev`"
		}
		return o.Print(
			streams.Out,
			map[string]any{
				"ok":       true,
				"problems": []config.Problem{},
				"file":     s.File,
				"cluster":  s.Cluster,
				"service":  service,
				"tasks":    len(s.Tasks),
				"warnings": append([]string{}, s.Warnings...),
			},
			fmt.Sprintf("%s: ok: cluster %s%s, %s\n", file, s.Cluster, over, plural.Of(len(s.Tasks), "task")),
		)
	}
	c.AddCommand(check)
	return c
}
