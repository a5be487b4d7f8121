package app

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/httpapi"
)

// release is the version of a build that knows none of its own, as that of an image; the linker sets it.
var release string

// buildVersion is what the build says of itself.
func buildVersion() httpapi.Build {
	v := httpapi.Build{Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	if release != "" {
		v.Version = release
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
