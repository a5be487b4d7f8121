package app

import (
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/app/internal/help"
)

// Every code that an error ends the program with is in the command reference.
func TestExitCodesAreDocumented(t *testing.T) {
	for _, row := range exitCodes {
		if !slices.ContainsFunc(help.ExitCodes(), func(c help.ExitCode) bool { return c.Code == row.code }) {
			t.Errorf("%v: code %d is not in help.ExitCodes", row.err, row.code)
		}
	}
}
