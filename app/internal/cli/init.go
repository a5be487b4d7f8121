package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/project"
	"gitee.com/ken.yang/xconsumer/client"
)

func initCommand(build client.Build, streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use: "init NAME", Short: "Write a small Go project with a work of its own into the directory NAME",
		Long: `Write a small Go project with a work of its own into the directory NAME, find the modules that it needs, and build it.
NAME is the name of the directory, the module, the task and the work: a small letter, and then letters and digits. The
project requires this program's version of xconsumer. If the program was built from a checkout, go.mod replaces xconsumer
by that checkout. Exit 1 if the project does not build, with what to do.`,
		Example: "  xconsumer init mywork && cd mywork && go run . dev",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: name the project; see %s --help", config.ErrUsage, c.CommandPath())
			}
			return nil
		},
	}
	yesFlag(c, new(bool))
	c.RunE = func(c *cobra.Command, args []string) error {
		p, err := project.New(args[0], build.Version)
		if err != nil {
			return err
		}
		if err := p.Write(); err != nil {
			return err
		}
		fmt.Fprintf(streams.Out, "%[1]s: main.go, work/%[1]s.go, app.toml and go.mod are written\n", p.Name)
		if p.Source != "" {
			fmt.Fprintf(
				streams.Out,
				"go.mod replaces xconsumer by %s, which this program was built from; other machines need a version there\n",
				p.Source,
			)
		}
		if tidied, err := p.Build(c.Context(), streams.Err); err != nil {
			return fmt.Errorf("%s does not build yet: %w\n%s", p.Name, err, p.Remedy(tidied, p.Workspace(c.Context())))
		}
		_, err = fmt.Fprintf(streams.Out, "Try it:\n  cd %s\n  go run . dev\n", p.Name)
		return err
	}
	return c
}
