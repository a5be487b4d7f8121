package cli_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

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

// A user name that a cluster gets later protects nothing: a node that starts and the doctor say so, and cluster
// protect mends it.
func TestProtectOnZooKeeper(t *testing.T) {
	server := zkserver.Start(t, 1)
	bin, dir := devcluster.Build(t), t.TempDir()
	open := append(os.Environ(), "XCONSUMER_ZOOKEEPER_HOST="+server.Addresses[0]+"/fleet", "XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT=4s", "XCONSUMER_ZOOKEEPER_TICK_TIME=200ms", "XCONSUMER_HTTP_LISTEN=off")
	owned := append(slices.Clone(open), "XCONSUMER_ZOOKEEPER_USERNAME=fleet", "XCONSUMER_ZOOKEEPER_PASSWORD=secret")
	do := func(env []string, wantCode int, want string, args ...string) {
		t.Helper()
		cmd := exec.Command(bin, args...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		code := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			code = exit.ExitCode()
		}
		if code != wantCode || !regexp.MustCompile(want).Match(out) {
			t.Errorf("%v: exit %d; want %d and %q:\n%s", args, code, wantCode, want, out)
		}
	}
	// node runs a node until its log says something.
	node := func(env []string, want string) {
		t.Helper()
		cmd := exec.Command(bin, "run", "--name", "n1")
		cmd.Dir, cmd.Env = dir, env
		said, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		var log strings.Builder
		found := false
		for lines := bufio.NewScanner(said); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			if !found && regexp.MustCompile(want).MatchString(lines.Text()) {
				found = true
				_ = cmd.Process.Signal(os.Interrupt)
			}
		}
		if err := cmd.Wait(); !found || err != nil {
			t.Errorf("%q was not said, or %v:\n%s", want, err, log.String())
		}
	}
	node(open, "joined")
	do(open, 2, "has no .zookeeper. username and password", "cluster", "protect")
	do(owned, 1, `wrong +protection +\d+ of \d+ znodes are open to everybody who reaches ZooKeeper, as /xconsumer/default\n.*xconsumer cluster protect`, "doctor")
	node(owned, "others may use records of the cluster.*znodes are open to everybody.*xconsumer cluster protect")
	do(owned, 0, `cluster default is for fleet alone: [1-9]\d* of \d+ znodes were not`, "cluster", "protect")
	do(owned, 0, `ok +protection +all \d+ znodes`, "doctor")
	do(owned, 0, `: 0 of \d+ znodes were not`, "cluster", "protect")
	do(owned, 4, "no such cluster|there is no cluster", "cluster", "protect", "--cluster", "none")
	do(open, 1, "another identity's", "doctor")
	node(owned, "joined")
	// What another identity has to itself stays as it is, and is named.
	conn, _, err := zk.Connect(server.Addresses, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.AddAuth("digest", []byte("fleet:secret")); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Create("/fleet/xconsumer/default/theirs", nil, 0, zk.DigestACL(zk.PermAll, "else", "q")); err != nil {
		t.Fatal(err)
	}
	do(owned, 1, `wrong +protection +1 of \d+ znodes are open to another identity, as /xconsumer/default/theirs\n`, "doctor")
	do(owned, 1, `: not all znodes are protected \(changed: 0\): not authorized to change the ACL of /xconsumer/default/theirs: only the identity that has made them can, or ZooKeeper's super user\n$`, "cluster", "protect")
}
