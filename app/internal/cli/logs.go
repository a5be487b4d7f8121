package cli

import (
	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/logview"
)

func logsCommand(env *environment) *cobra.Command {
	var follow bool
	var lines int
	var run string
	c := &cobra.Command{
		Use:   "logs TASK[#INDEX]",
		Short: "Show the logs of workers, wherever they run",
		Example: `  xconsumer logs test01
  xconsumer logs test01#0 -f`,
		Args: args("TASK[#INDEX]"), ValidArgsFunction: env.completeTasksAndWorkers,
	}
	f, o := env.server(c), outputFlag(c, "table", "json", "yaml")
	goesOn(c, &follow, "follow", "go on with new lines, also of workers that move or start later")
	c.Flags().IntVarP(&lines, "lines", "n", 50, "maximum number of lines of each worker")
	notNegative(c, "lines", &lines)
	c.Flags().StringVar(&run, "run", "", "run to show (default: those under way)")
	c.RunE = func(c *cobra.Command, args []string) error {
		api, err := f.client()
		if err != nil {
			return err
		}
		target, ok := logview.ParseTarget(args[0], run)
		if !ok {
			return notAWorker(args[0])
		}
		v := logview.View{API: api, Lines: lines, Out: env.Out, Err: env.Err, Output: o}
		return withHint(c.Context(), api, v.Show(c.Context(), target, follow))
	}
	return c
}
