package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/project"
	"gitee.com/ken.yang/xconsumer/client"
)

func initCommand(build client.Build, streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use: "init NAME", Short: "Write a small Go project with a work of its own",
		Long: `Write a small Go project with a work and its test into a new directory, find the modules that it needs, and build it.
The letters and digits of NAME, in lower case, name the directory, the module, the task and the work: "My-Mailer 2" becomes
mymailer2. go.mod requires the release that this program is. A program that was built from a checkout is not a release: go.mod
then replaces xconsumer by the checkout. If the project does not build, init exits with 1, says what to do, and leaves the files.`,
		Example: "  xconsumer init mywork && cd mywork && go run . dev",
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return fmt.Errorf("%w: name the project; see %s --help", config.ErrUsage, c.CommandPath())
			case len(args) > 1:
				return fmt.Errorf("%w: more than one name; write a name with spaces in quotes: %q", config.ErrUsage, strings.Join(args, " "))
			}
			return nil
		},
	}
	yesFlag(c, new(bool))
	o := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		p, err := project.New(args[0], build.Version)
		if err != nil {
			return err
		}
		if err := p.Write(); err != nil {
			return err
		}
		files := []string{"main.go", "work/" + p.Name + ".go", "work/" + p.Name + "_test.go", "app.toml", "go.mod"}
		people := streams.Out
		if o.ForPrograms() { // they get one object at the end
			people = io.Discard
		}
		if p.Name != args[0] {
			fmt.Fprintf(people, "%q becomes %s: one name for the directory, the module, the task and the work\n", args[0], p.Name)
		}
		last := len(files) - 1
		fmt.Fprintf(people, "Wrote %s: %s and %s\n%s", p.Name, strings.Join(files[:last], ", "), files[last], p.Origin())
		fmt.Fprintln(people, "Building it: the first build takes a minute or two")
		if stage, err := p.Build(c.Context(), streams.Err); err != nil {
			return fmt.Errorf("%s does not build: %w\n%s", p.Name, err, p.Remedy(stage, p.Workspace(c.Context())))
		}
		return o.Print(
			streams.Out,
			map[string]any{"name": p.Name, "files": files, "requires": p.Version, "replacedBy": p.Source},
			fmt.Sprintf("Run it:\n  cd %s\n  go run . dev\nTest it:\n  go test ./...\n", p.Name),
			p.Name,
		)
	}
	return c
}
