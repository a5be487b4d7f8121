package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	fleets "gitee.com/ken.yang/xconsumer/test/fleet"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

const operator = "ada-has-a-very-long-token" // of the clusters that ask who calls

// peers is a cluster of shipped programs.
type peers struct {
	*testing.T
	dir   string
	nodes []*program
	urls  []string
	token string
}

// startPeers starts nodes with one app.toml, and waits until all workers run.
func startPeers(t *testing.T, n int, config, token string) *peers {
	t.Helper()
	p := &peers{T: t, dir: t.TempDir(), token: token}
	if err := os.WriteFile(filepath.Join(p.dir, "app.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		node := launch(t, p.dir, "run", "--name", fmt.Sprintf("n%d", i+1))
		address := node.Find(`"msg":"starting".*"address":"([^"]+)"`)
		p.nodes = append(p.nodes, node)
		p.urls = append(p.urls, "http://127.0.0.1"+address[strings.LastIndex(address, ":"):])
	}
	fleets.Await(p.T, "all workers run", func() bool {
		out, err := p.cli(0, "status")
		return err == nil && strings.Contains(out, "4 of 4 workers running") && strings.Contains(out, fmt.Sprintf("n%d", n))
	})
	return p
}

// cli asks a node.
func (p *peers) cli(node int, args ...string) (string, error) {
	cmd := exec.Command(p.nodes[node].Cmd.Path, append(args, "--server", p.urls[node])...)
	cmd.Env = append(os.Environ(), "XCONSUMER_API_TOKEN="+p.token)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *peers) state() (s cluster.State) {
	p.Helper()
	out, err := p.cli(0, "status", "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &s)
	}
	if err != nil {
		p.Fatalf("%v: %s", err, out)
	}
	return s
}

// wantAllLogs wants every node to show the logs of the workers of all.
func (p *peers) wantAllLogs() {
	p.Helper()
	s := p.state()
	for i := range p.nodes {
		for _, w := range s.Workers {
			out, err := p.cli(i, "logs", w.Slot().String())
			if err != nil || !strings.Contains(out, " begins") {
				p.Errorf("n%d shows of %v on %s: %v: %s", i+1, w.Slot(), w.Node, err, out)
			}
		}
	}
}

func peersConfig(host, more string) string {
	return fmt.Sprintf("cluster = \"peers\"\n[zookeeper]\nhost = %q\nsessionTimeout = \"4s\"\ntickTime = %q\n%s", host, zkserver.Tick, more) + `
[[task]]
name = "test01"
workName = "test01"
workerNum = 4
`
}

// Nodes on one machine, as the README starts them, show each other's logs without anything set for it; and logs -f goes
// with a worker through a drain of its node, and through its end.
func TestLogsOfEachOther(t *testing.T) {
	t.Parallel()
	server := zkserver.Start(t, 1)
	p := startPeers(t, 3, peersConfig(server.Hosts(), ""), "")
	for _, n := range p.state().Nodes {
		if n.Advertise != n.Address || !strings.HasPrefix(n.Advertise, "127.0.0.1:") {
			t.Errorf("%s is at %s, and says %q", n.Name, n.Address, n.Advertise)
		}
	}
	p.wantAllLogs()
	where := func() string { return p.state().Workers[0].Node }
	asked := p.urls[0]
	followed := launch(t, p.dir, "logs", "-f", "test01#0", "--server", asked)
	followed.Find("test01 begins")
	if out := followed.Out.String(); strings.HasPrefix(out, "--") {
		t.Errorf("of a worker that ran before it says %q", out)
	}
	// The node that is asked has to stay.
	if where() == "n1" {
		if out, err := p.cli(0, "move", "test01#0", "n2", "--wait"); err != nil {
			t.Fatal(err, out)
		}
		followed.Find(`-- worker test01#0 continues on (n2)`)
	}
	from := where()
	if out, err := p.cli(0, "drain", from, "--wait"); err != nil {
		t.Fatal(err, out)
	}
	to := where()
	if to == from {
		t.Fatalf("it is on %s still", to)
	}
	followed.Find(`-- worker test01#0 continues on (` + to + `)\n.*test01 begins`)
	if _, err := p.cli(0, "cordon", from); err != nil {
		t.Fatal(err)
	}
	if to == "n1" {
		return // it is the node that is asked
	}
	for i, node := range p.nodes {
		if fmt.Sprintf("n%d", i+1) == to {
			_ = node.Cmd.Process.Signal(os.Interrupt)
			<-node.Done()
		}
	}
	followed.Find(`-- worker test01#0 continues on n1\n.*(test01) begins`)
}

// On an address that others reach, with tokens and a store that is for the fleet alone: nodes agree on one secret, which
// that store keeps, and nobody is shown it.
func TestSecretOfTheStore(t *testing.T) {
	t.Parallel()
	server := zkserver.Start(t, 1)
	p := startPeers(t, 2, peersConfig(server.Hosts(), "username = \"fleet\"\npassword = \"password-of-the-fleet\"\n[http]\nlisten = \"0.0.0.0:0\"\ntokens = [\"ada admin "+operator+"\"]\n"), operator)
	for _, n := range p.state().Nodes {
		if strings.HasPrefix(n.Advertise, "0.0.0.0") || strings.HasPrefix(n.Advertise, "[::]") || n.Advertise == "" {
			t.Errorf("%s at %s says to be reached at %q", n.Name, n.Address, n.Advertise)
		}
	}
	p.wantAllLogs()
	keys := schema.NewKeys("peers")
	open := func(user, password string) coord.Session {
		t.Helper()
		store, err := zk.New(zk.Config{Servers: server.Addrs(), Username: user, Password: password, SessionTimeout: 4 * time.Second, TickTime: zkserver.Tick})
		if err != nil {
			t.Fatal(err)
		}
		session, err := store.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = session.Close() })
		return session
	}
	if r, err := open("", "").Get(t.Context(), keys.PeerSecret()); !errors.Is(err, coord.ErrUnauthorized) {
		t.Errorf("a stranger reads %s, %v", r.Value, err)
	}
	r, err := open("fleet", "password-of-the-fleet").Get(t.Context(), keys.PeerSecret())
	var rec schema.PeerSecret
	if err == nil {
		err = schema.Decode(keys.PeerSecret(), r, &rec)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"state", "config", "report", "nodes", "decisions", "events", "tasks", "workers", "workers/test01/0/explain", "workers/test01/0/log", "workers/test01/0/stack", "nodes/n2/lease", "openapi.yaml"} {
		if text := p.get("/api/v1/" + path); strings.Contains(text, rec.Secret) {
			t.Errorf("%s shows the secret: %s", path, text)
		}
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		if strings.Contains(p.get(path), rec.Secret) {
			t.Errorf("%s shows the secret", path)
		}
	}
	for _, node := range p.nodes {
		if strings.Contains(node.Log.String()+node.Out.String(), rec.Secret) {
			t.Errorf("a node has logged the secret")
		}
	}
}

func (p *peers) get(path string) string {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), http.MethodGet, p.urls[0]+path, nil)
	if err != nil {
		p.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		p.Errorf("%s: %s, %v: %s", path, resp.Status, err, text)
	}
	return string(text)
}

// A secret that was made while the store was open does not count once it has a user, until the records are protected:
// that has another one made, which nodes that run take up.
func TestSecretThatOthersMayKnow(t *testing.T) {
	t.Parallel()
	server := zkserver.Start(t, 1)
	keys := schema.NewKeys("peers")
	session, err := zookeeper.store(t, server.Hosts()).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	if _, err := membership.Bootstrap(t.Context(), session, keys, 0); err != nil {
		t.Fatal(err)
	}
	known, err := membership.PeerSecret(t.Context(), session, keys, false)
	if err != nil {
		t.Fatal(err)
	}
	p := startPeers(t, 2, peersConfig(server.Hosts(), "username = \"fleet\"\npassword = \"password-of-the-fleet\"\n[http]\ntokens = [\"ada admin "+operator+"\"]\n"), operator)
	other := slices.IndexFunc(p.state().Workers, func(w cluster.WorkerInfo) bool { return w.Node == "n2" })
	slot := p.state().Workers[other].Slot().String()
	if out, err := p.cli(0, "logs", slot); err == nil || !strings.Contains(out, "xconsumer cluster protect") || strings.Contains(out, string(known)) {
		t.Errorf("%v: %s", err, out)
	}
	protect := launch(t, p.dir, "cluster", "protect", "--yes")
	if code := protect.Exit(); code != 0 {
		t.Fatal(code)
	}
	fleets.Await(p.T, "the other node's log is shown", func() bool {
		out, err := p.cli(0, "logs", slot)
		return err == nil && strings.Contains(out, "begins")
	})
	owned, err := zk.New(zk.Config{Servers: server.Addrs(), Username: "fleet", Password: "password-of-the-fleet", SessionTimeout: 4 * time.Second, TickTime: zkserver.Tick})
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := owned.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fleet.Close() }()
	if now, err := membership.PeerSecret(t.Context(), fleet, keys, false); err != nil || string(now) == string(known) {
		t.Errorf("the secret that others may know is in force still, %v", err)
	}
}

// Where callers must say who they are and the store is open, it keeps no secret; the start and the doctor say what to
// set, and a person who asks learns it.
func TestNoSecretInAnOpenStore(t *testing.T) {
	t.Parallel()
	server := zkserver.Start(t, 1)
	p := startPeers(t, 2, peersConfig(server.Hosts(), "[http]\ntokens = [\"ada admin "+operator+"\"]\n"), operator)
	p.nodes[0].Find(`(nodes cannot show the logs of each other's workers).*give the store a username and password, or \[http\] secretFile`)
	for _, w := range p.state().Workers {
		out, err := p.cli(0, "logs", w.Slot().String())
		if elsewhere := w.Node != "n1"; elsewhere != (err != nil) || elsewhere && !strings.Contains(out, "give the store a username and password, or [http] secretFile") {
			t.Errorf("of %v on %s: %v: %s", w.Slot(), w.Node, err, out)
		}
	}
	doctor := launch(t, p.dir, "doctor")
	doctor.Exit()
	if out := doctor.Out.String(); !strings.Contains(out, "warning  peers") || !strings.Contains(out, "[http] secretFile the same secret on all nodes") {
		t.Error(out)
	}
	session, err := zookeeper.store(t, server.Hosts()).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	if r, err := session.Get(t.Context(), schema.NewKeys("peers").PeerSecret()); !errors.Is(err, coord.ErrNotFound) {
		t.Errorf("the store has %s, %v", r.Value, err)
	}
}
