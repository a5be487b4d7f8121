package app

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is what the build says of itself; parts that it does not know are empty.
type version struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
}

func buildVersion() version {
	v := version{Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func versionCommand(streams Streams) *cobra.Command {
	var output string
	c := &cobra.Command{Use: "version", Short: "Tells the version", Args: noArgs}
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	c.RunE = func(*cobra.Command, []string) error {
		v := buildVersion()
		switch output {
		case "json":
			return json.NewEncoder(streams.Out).Encode(v)
		case "table":
			_, err := fmt.Fprintf(streams.Out, "xconsumer %s %s %s\n", v.Version, v.Revision, v.Go)
			return err
		}
		return fmt.Errorf("%w: --output: %q is neither table nor json", errUsage, output)
	}
	return c
}
