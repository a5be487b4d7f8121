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
		Args:  noArgs, Example: "  xconsumer config check",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	check := &cobra.Command{
		Use:   "check",
		Short: "Check app.toml and show the place of every mistake; exit 78 if there is one",
		Long: `Check app.toml, together with the flags and variables of ` + "`xconsumer run`" + `, and show the place of every mistake;
exit 78 if there is one. With -o json the answer is one object: ok reports whether there are no mistakes, and problems
lists them, each with line, column, key, message and, if there is one, fix. A file that names no coordination service
is enough for xconsumer dev, which brings its own: the check warns of it.`,
		Args: noArgs,
		Example: `  xconsumer config check --config app.toml
  xconsumer config check -o json    # for an editor or a pipeline`,
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
