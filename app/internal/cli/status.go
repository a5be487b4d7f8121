package cli

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/cluster"
)

func statusCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the cluster, as any of its nodes sees it",
		Example: `  xconsumer status
  xconsumer status --watch
  xconsumer status --at 08:37:42             # as decisions shows it
  xconsumer status --at 10m                  # ten minutes ago
  xconsumer status --at 2026-11-25T02:00:00Z`,
		Args: args(),
	}
	q := env.query(c)
	at := c.Flags().String("at", "", "show the past: the number of a decision, a time, or how long ago")
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := url.Values{}
		if *at != "" {
			which, err := momentOf(*at, time.Now())
			if err != nil {
				return err
			}
			query.Set("at", which)
		}
		return queryOne(c.Context(), q, "/api/v1/state", query, func(past *cluster.Past, b *bytes.Buffer) {
			if *at != "" {
				fmt.Fprintf(b, "after decision %d, %s", past.Decision, past.At.Local().Format("2006-01-02 15:04:05.000 MST"))
				if past.Incomplete {
					b.WriteString(" (some records of that time are no longer kept)")
				}
				b.WriteString("\n")
			}
			render.State(b, &past.State, env.width())
		}, func(past *cluster.Past) []string { return []string{past.Cluster} })
	}
	return c
}

// momentOf returns the query for the cluster as it was: the number of a decision, or a time.
func momentOf(text string, now time.Time) (string, error) {
	if number, err := strconv.ParseInt(text, 10, 64); err == nil {
		if number < 0 {
			return "", fmt.Errorf("%w: --at: invalid decision %d (want 0 or more, or a time)", config.ErrUsage, number)
		}
		return text, nil
	}
	_, at, err := render.ParseTime(text, now)
	if err != nil {
		return "", fmt.Errorf("%w: --at: %w, or the number of a decision", config.ErrUsage, err)
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}
