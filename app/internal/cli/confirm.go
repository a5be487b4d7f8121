package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
)

// errDeclined is the error after a question that was answered with no.
var errDeclined = errors.New("nothing was done")

// yesFlag adds --yes. Every command that changes something has it, so that scripts can always pass it.
func yesFlag(c *cobra.Command, yes *bool) {
	c.Flags().BoolVarP(yes, "yes", "y", false, "do not ask for confirmation; commands that never ask accept it, too")
}

// confirm asks whether to continue, unless --yes is given.
func confirm(streams Streams, what string, yes bool) error {
	if yes {
		return nil
	}
	if !readable(streams.In) {
		return fmt.Errorf("%w: %s? Confirm with --yes", config.ErrUsage, what)
	}
	fmt.Fprintf(streams.Err, "%s? [y/N] ", what)
	line, err := bufio.NewReader(streams.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return errDeclined
	}
	return nil
}

// readable reports whether a question can be answered.
func readable(in io.Reader) bool {
	if in == nil {
		return false
	}
	if w, ok := in.(io.Writer); ok {
		return terminal.IsTerminal(w)
	}
	return true // a test
}
