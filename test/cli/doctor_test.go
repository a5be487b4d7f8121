package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/fleet"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// The doctor finds the faults of a real ZooKeeper and reports how to fix them.
func TestDoctorOnZooKeeper(t *testing.T) {
	ensemble := zkserver.Start(t, 3)
	bin := fleet.Shipped(t)
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
	doctor(all, 0, `ok +zookeeper +\S+ is 3\.\d+\.\d+, leader`, `ok +zookeeper .*, follower`, `ok +quorum +3 of 3 servers serve`, `ok +session`, `ok +timeouts +session timeout 4s`,
		`ok +cluster +cluster default does not exist yet`)
	doctor(ensemble.Addresses[0], 0, `warning +quorum +one server`)
	doctor(all, 0, `within 4\.5s`) // T + 1.5 ticks + takeover delay
	// A server that does not answer is a failure only if the others have no quorum.
	doctor(all+",127.0.0.1:1", 0, `warning +zookeeper +127\.0\.0\.1:1 does not answer: connection refused`, `take it out of \[zookeeper\] host; the others have a quorum`, `warning +quorum +4 servers survive no more losses than 3`)
	doctor(all+",zk9.invalid", 0, `warning +zookeeper +zk9\.invalid:2181 does not answer: the name zk9\.invalid`)
	doctor("127.0.0.1:1", 1, `wrong +zookeeper +127\.0\.0\.1:1 does not answer: connection refused`)

	leader := ensemble.Leader()
	for i := range ensemble.Addresses {
		if i != leader {
			ensemble.Kill(i)
		}
	}
	doctor(ensemble.Addresses[leader], 1, `it has no quorum`, `start the other servers`, `wrong +session`)
}

// The doctor does not report that the first node creates the cluster if run may not create it.
func TestDoctorOnLockedChroot(t *testing.T) {
	server := zkserver.Start(t, 1)
	admin, _, err := zk.Connect(server.Addresses, 4*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Create("/locked", nil, 0, zk.WorldACL(zk.PermRead)); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Create("/open", nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	bin := fleet.Shipped(t)
	do := func(chroot string, wantCode int, want string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, bin, append(args, "--zookeeper", server.Addresses[0]+chroot)...)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT=4s", "XCONSUMER_ZOOKEEPER_TICK_TIME=200ms", "XCONSUMER_HTTP_LISTEN=off")
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != wantCode || !regexp.MustCompile(want).Match(out) {
			t.Errorf("%v at %s: exit %d; want %d and %q:\n%s", args, chroot, code, wantCode, want, out)
		}
	}
	do("/locked/fleet", 78, "not authorized", "run", "--name", "n1", "--no-supervise")
	do("/locked/fleet", 1, `wrong +cluster +cluster default does not exist yet, and this identity may not create it below /locked\n.*ACL`, "doctor")
	do("/open/fleet", 0, `ok +cluster +cluster default does not exist yet; the first node creates it`, "doctor")
	if names, _, err := admin.Children("/open"); err != nil || len(names) > 0 {
		t.Errorf("doctor has left %v, %v", names, err)
	}
}

// Endpoints that do not resolve are a failure even if the others answer.
func TestDoctorOnEtcd(t *testing.T) {
	servers := etcdserver.Start(t, 3)
	bin := fleet.Shipped(t)
	doctor := func(endpoints string, wantCode int, want ...string) {
		t.Helper()
		cmd := exec.Command(bin, "doctor", "--etcd", endpoints)
		cmd.Dir = t.TempDir()
		out, _ := cmd.CombinedOutput()
		for _, w := range want {
			if code := cmd.ProcessState.ExitCode(); code != wantCode || !regexp.MustCompile(w).Match(out) {
				t.Errorf("%s: exit %d; want %d and %q:\n%s", endpoints, code, wantCode, w, out)
			}
		}
	}
	all := strings.Join(servers.Addresses, ",")
	doctor(all, 0, `ok +etcd +\S+ is 3\.\d+\.\d+, leader`, `ok +etcd +\S+ is 3\.\d+\.\d+, follower`, `ok +quorum +3 of 3 servers serve`, `ok +session`, `ok +cluster +cluster default does not exist yet`)
	doctor(all+",zk9.invalid", 0, `warning +etcd +http://zk9\.invalid:2379 does not answer: the name zk9\.invalid .*\n.*take it out of \[etcd\] endpoints`, `ok +quorum +3 of 4 servers serve`)
	doctor("zk9.invalid", 1, `wrong +session +etcd does not answer: http://zk9\.invalid:2379: the name zk9\.invalid`)
	leader := servers.Leader()
	for i := range servers.Addresses {
		if i != leader {
			servers.Kill(i)
		}
	}
	doctor(servers.Addresses[leader], 1, `wrong +session`)
}

// The fix for a server on which leases would not hold is another version, not another address.
func TestDoctorOnOldEtcd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterMaintenanceServer(server, oldEtcd{})
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	for command, want := range map[string]string{
		"doctor":       `wrong +session +.* is 3\.4\.1, .*\n +→ upgrade etcd`,
		"cluster init": `service not supported: etcd at \S+ is 3\.4\.1`,
	} {
		cmd := exec.Command(fleet.Shipped(t), append(strings.Fields(command), "--etcd", l.Addr().String())...)
		cmd.Dir = t.TempDir()
		out, _ := cmd.CombinedOutput()
		wantCode := map[string]int{"doctor": 1, "cluster init": 78}[command]
		if code := cmd.ProcessState.ExitCode(); code != wantCode || !regexp.MustCompile(want).Match(out) {
			t.Errorf("%s: exit %d; want %d and %q:\n%s", command, code, wantCode, want, out)
		}
	}
}

// A node that cannot reach its service reports the reason briefly, and the command that shows more.
func TestUnreachableService(t *testing.T) {
	bin := fleet.Shipped(t)
	for flag, want := range map[string]string{
		"--zookeeper": "ZooKeeper does not answer: 127.0.0.1:1: connection refused",
		"--etcd":      "etcd does not answer: http://127.0.0.1:1: connection refused",
	} {
		cmd := exec.Command(bin, "run", "--name", "n1", "--http", "127.0.0.1:0", "--no-supervise", flag, "127.0.0.1:1")
		cmd.Dir = t.TempDir()
		node := fleet.Run(t, cmd)
		found, address := node.Find(`.*"msg":"not a member; trying again".*\n`), node.Find(`"msg":"starting".*"address":"([^"]+)"`)
		ready, _ := exec.Command(bin, "healthcheck", "--ready", "--server", address).CombinedOutput()
		node.Signal(syscall.SIGINT)
		if code := node.Exit(); code != 0 {
			t.Errorf("%s: exit code %d", flag, code)
		}
		for text := range strings.Lines(node.Log.String()) {
			if !json.Valid([]byte(text)) {
				t.Errorf("not a line of the log: %s", text)
			}
		}
		var line struct{ Reason, Fix string }
		if err := json.Unmarshal([]byte(found), &line); err != nil || line.Reason != want || !strings.Contains(line.Fix, "`xconsumer doctor` finds the cause") {
			t.Errorf("%s: %v", found, err)
		}
		for _, text := range []string{found, string(ready)} {
			if !strings.Contains(text, want) || strings.Contains(text, "deadline") || strings.Contains(text, "/xconsumer/") || !strings.Contains(text, "doctor") {
				t.Errorf("%s: %s", flag, text)
			}
		}
	}
}

// oldEtcd reports a version whose leases do not hold.
type oldEtcd struct {
	pb.UnimplementedMaintenanceServer
}

func (oldEtcd) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Header: &pb.ResponseHeader{}, Version: "3.4.1"}, nil
}

// A user name that a cluster gets later protects nothing: a node that starts and the doctor report that, and cluster
// protect fixes it.
func TestProtectOnZooKeeper(t *testing.T) {
	server := zkserver.Start(t, 1)
	bin, dir := fleet.Shipped(t), t.TempDir()
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
	// node runs a node until its log has a line that matches.
	node := func(env []string, want string) {
		t.Helper()
		cmd := exec.Command(bin, "run", "--name", "n1")
		cmd.Dir, cmd.Env = dir, env
		n1 := fleet.Run(t, cmd)
		n1.Find(want)
		n1.Signal(syscall.SIGINT)
		if code := n1.Exit(); code != 0 {
			t.Errorf("exit code %d after %q", code, want)
		}
	}
	node(open, "joined")
	do(open, 2, "has no .zookeeper. username and password", "cluster", "protect")
	do(owned, 1, `wrong +protection +\d+ of \d+ znodes are open to everybody who reaches ZooKeeper, as /xconsumer/default\n.*xconsumer cluster protect`, "doctor")
	node(owned, "others may use records of the cluster.*znodes are open to everybody.*xconsumer cluster protect")
	do(owned, 0, `cluster default is for fleet alone: [1-9]\d* of \d+ znodes were not`, "cluster", "protect")
	do(owned, 0, `ok +protection +all \d+ znodes`, "doctor")
	do(owned, 0, `: 0 of \d+ znodes were not`, "cluster", "protect")
	do(owned, 4, "no such cluster", "cluster", "protect", "--cluster", "none")
	do(open, 1, "belong to an identity, and this configuration has none\n.*give .zookeeper. the username", "doctor")
	// A wrong password opens nothing, and protects nothing: the first advice is to correct it.
	mistyped := append(slices.Clone(owned), "XCONSUMER_ZOOKEEPER_PASSWORD=secert")
	do(mistyped, 1, `wrong +access +the records of cluster default belong to another identity than the user fleet with this password\n +→ check username, password and passwordFile of \[zookeeper\] first`, "doctor")
	do(mistyped, 78, `^xconsumer: cluster default belongs to another identity, and only that can change it: not authorized`, "cluster", "protect", "--yes")
	do(mistyped, 78, `^(\{.*"(starting|ignored.*|locked out)".*\n)*xconsumer: the coordination service does not let this node use the records of cluster default: .*check username and password`, "run", "--name", "n2", "--no-supervise") // and nothing of cluster protect
	node(owned, "joined")
	// Records that belong to another identity stay as they are, and are named.
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
	do(owned, 1, `wrong +protection +1 of \d+ znodes is owned by another identity, as /xconsumer/default/theirs\n +→ check username and password first: .*cluster protect. cannot\n`, "doctor")
	do(owned, 1, `: not all znodes are protected \(changed: 0\): not authorized to change the ACL of /xconsumer/default/theirs: only the identity that has made them can, or ZooKeeper's super user\n$`, "cluster", "protect")
}
