package cli

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/help"
)

// manualCommand writes the files that packages install with the program. The function returns the program's command with its
// help in the language of an environment.
func manualCommand(root *cobra.Command, in func(lang string) *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "manual DIR", Short: "Write manual pages and completions, for packages", Hidden: true,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := help.WriteManual(filepath.Join(args[0], "man"), in); err != nil {
				return err
			}
			completions := filepath.Join(args[0], "completions")
			if err := os.MkdirAll(completions, 0o755); err != nil {
				return err
			}
			for name, write := range map[string]func(string) error{
				"xconsumer.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
				"_xconsumer":     root.GenZshCompletionFile,
				"xconsumer.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
			} {
				if err := write(filepath.Join(completions, name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
