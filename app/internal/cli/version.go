package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/client"
)

// buildVersion returns the version in the build's own records. Release is the version of a build that has none.
func buildVersion(release string) client.Build {
	v := client.Build{Version: "(devel)", Go: runtime.Version()}
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

// versionLine returns the version for people.
func versionLine(v client.Build) string {
	return fmt.Sprintf("xconsumer %s %s %s\n", v.Version, v.Revision, v.Go)
}

func versionCommand(build client.Build, streams Streams) *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Show the version", Args: noArgs, Example: "  xconsumer version"}
	o := outputFlag(c, "table", "json", "yaml")
	c.RunE = func(*cobra.Command, []string) error {
		return o.Print(streams.Out, build, versionLine(build))
	}
	return c
}
