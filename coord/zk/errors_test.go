package zk

import (
	"errors"
	"fmt"
	"testing"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Every answer of a server is an outcome, even if the library has no name for it; only an answer that says
// that the server failed on the way leaves the outcome unknown, as none at all does.
func TestAnswersAreOutcomes(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"bad arguments", zk.ErrBadArguments, coord.ErrRefused},
		{"quota exceeded", fmt.Errorf("unknown error: %v", zk.ErrCode(-125)), coord.ErrRefused},
		{"unimplemented", fmt.Errorf("unknown error: %v", zk.ErrCode(-6)), coord.ErrRefused},
		{"a code of a later server", fmt.Errorf("unknown error: %v", zk.ErrCode(-199)), coord.ErrRefused},
		{"marshalling error, which may come after the change", fmt.Errorf("unknown error: %v", zk.ErrCode(-5)), coord.ErrUnknown},
		{"request timed out", fmt.Errorf("unknown error: %v", zk.ErrCode(-122)), coord.ErrUnknown},
		{"throttled", fmt.Errorf("unknown error: %v", zk.ErrCode(-127)), coord.ErrUnknown},
		{"connection closed", zk.ErrConnectionClosed, coord.ErrUnknown},
		{"no server", zk.ErrNoServer, coord.ErrUnknown},
		{"no answer", errors.New("read tcp: i/o timeout"), coord.ErrUnknown},
	} {
		if err := answerError(c.err); !errors.Is(err, c.want) || errors.Is(c.want, coord.ErrRefused) && errors.Is(err, coord.ErrUnknown) {
			t.Errorf("%s: %v; want %v", c.name, err, c.want)
		}
	}
	rolledBack := fmt.Errorf("unknown error: %v", zk.ErrCode(-2))
	ops := []coord.Op{coord.Check("/a", 1), coord.Create("/b", nil), coord.Set("/c", nil, 2)}
	err := commitError(ops, []zk.MultiResponse{{}, {Error: zk.ErrBadArguments}, {Error: rolledBack}}, zk.ErrBadArguments)
	if _, checked := coord.FailedCheck(err); checked || !errors.Is(err, coord.ErrRefused) {
		t.Errorf("a commit that was refused: %v", err)
	}
	err = commitError(ops, []zk.MultiResponse{{Error: rolledBack}, {Error: rolledBack}, {Error: zk.ErrBadVersion}}, zk.ErrBadVersion)
	if failed, checked := coord.FailedCheck(err); !checked || failed.Index != 2 {
		t.Errorf("a commit whose check failed: %v", err)
	}
}
