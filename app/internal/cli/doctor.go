package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/doctor"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
)

func doctorCommand(register func(node *xconsumer.Node), streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check the configuration, the coordination service and this machine, and show how to fix what is wrong",
		Args:  noArgs,
		Example: `  xconsumer doctor --config app.toml
  xconsumer doctor --join http://127.0.0.1:41797    # of a dev that runs elsewhere on this machine`,
	}
	flags := configFlags(c)
	joinFlag(c, flags, "check what a node with it would join")
	o := outputFlag(c, "table", "json", "yaml")
	c.RunE = func(c *cobra.Command, _ []string) error {
		list, err := doctor.Examine(c.Context(), doctor.Config{
			Flags: *flags, Env: streams.Getenv, Register: register, Waiting: streams.Err,
			Show: func(f doctor.Finding) { // for people; programs get one object at the end
				if !o.ForPrograms() {
					showFinding(streams.Out, f)
				}
			},
		})
		if err != nil {
			return err // it lists each mistake with its place; exit 78
		}
		if o.ForPrograms() {
			if err := o.Print(streams.Out, map[string]any{"findings": list}, ""); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(list, func(f doctor.Finding) bool { return f.State == doctor.Wrong }) {
			return errUnhealthy
		}
		return nil
	}
	return c
}

// errUnhealthy is the error if a check has failed.
var errUnhealthy = errors.New("something is wrong; see above how to fix it")

func showFinding(out io.Writer, f doctor.Finding) {
	fmt.Fprintf(out, "%-8s %-14s %s\n", f.State, f.Check, terminal.Printable(f.Found))
	if f.Fix != "" {
		fmt.Fprintf(out, "%-8s %-14s → %s\n", "", "", f.Fix)
	}
}
