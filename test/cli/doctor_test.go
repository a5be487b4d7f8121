package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/devcluster"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// The doctor sees what is wrong with a real ZooKeeper, and says how to mend it.
func TestDoctorOnZooKeeper(t *testing.T) {
	ensemble := zkserver.Start(t, 3)
	bin := devcluster.Build(t)
	doctor := func(hosts string, wantCode int, want ...string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			cmd := exec.Command(bin, "doctor", "--zookeeper", hosts)
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT=4s", "XCONSUMER_ZOOKEEPER_TICK_TIME=200ms")
			out, err := cmd.CombinedOutput()
			code := 0
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				code = exit.ExitCode()
			}
			missing := ""
			for _, w := range want {
				if !regexp.MustCompile(w).Match(out) {
					missing = w
				}
			}
			switch {
			case code == wantCode && missing == "":
				return
			case time.Now().After(end):
				t.Fatalf("exit %d; want %d and %q:\n%s", code, wantCode, missing, out)
			}
		}
	}
	all := strings.Join(ensemble.Addresses, ",")
	doctor(all, 0, `ok +zookeeper +\S+ is 3\.\d+\.\d+.*, leader`, `ok +zookeeper .*, follower`, `ok +quorum +3 of 3 servers serve`, `ok +session`, `ok +timeouts +session timeout 4s`,
		`ok +cluster +there is no cluster default yet`)
	doctor(ensemble.Addresses[0], 0, `warning +quorum +one server`)
	doctor(all+",127.0.0.1:1", 1, `wrong +zookeeper +127\.0\.0\.1:1 does not answer`, `take it out of \[zookeeper\] host`, `warning +quorum +4 servers outlive no more losses than 3 would`)

	leader := ensemble.Leader()
	for i := range ensemble.Addresses {
		if i != leader {
			ensemble.Kill(i)
		}
	}
	doctor(ensemble.Addresses[leader], 1, `it sees no quorum`, `start the other servers`, `wrong +session`)
}
