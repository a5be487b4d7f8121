package app

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/cli"
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

// versionLine is the version for people.
func versionLine() string {
	v := buildVersion()
	return fmt.Sprintf("xconsumer %s %s %s\n", v.Version, v.Revision, v.Go)
}

func versionCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Tells the version", Args: cli.NoArgs}
	o := cli.OutputFlag(c, "table", "json", "yaml")
	c.RunE = func(*cobra.Command, []string) error {
		return o.Print(streams.Out, buildVersion(), versionLine())
	}
	return c
}
