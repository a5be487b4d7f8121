package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func healthcheckCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "healthcheck", Short: "Exit with 0 if the node answers, or with --ready if it is a member at work", Args: args(),
		Example: `  xconsumer healthcheck
  xconsumer healthcheck --ready --server https://10.0.0.3:8800`,
	}
	f, o := env.anyServer(c), outputFlag(c) // a health check is about the process, whatever cluster it has joined
	ready := c.Flags().Bool("ready", false, "require the node to be a member at work")
	c.RunE = func(c *cobra.Command, _ []string) error {
		api, err := f.client()
		if err != nil {
			return err
		}
		began := time.Now()
		health, err := api.Health(c.Context(), *ready)
		if err != nil {
			return withHint(c.Context(), api, err)
		}
		if len(health.Reasons) > 0 {
			return fmt.Errorf("%s is %s: %s", health.Node, health.Status, strings.Join(health.Reasons, "; "))
		}
		return o.Print(
			env.Out,
			health,
			fmt.Sprintf("%s: %s after %v\n", health.Node, health.Status, time.Since(began).Round(time.Millisecond)),
			health.Node,
		)
	}
	return c
}
