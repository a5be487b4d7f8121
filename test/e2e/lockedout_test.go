package e2e_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	fleets "gitee.com/ken.yang/xconsumer/test/fleet"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// A node that lacks the ZooKeeper user of a cluster ends with what to do, and not with the first record that was refused.
func TestNodeWithoutTheUserOfItsCluster(t *testing.T) {
	t.Parallel()
	bin, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	config, err := filepath.Abs(filepath.Join("..", "..", "app.toml"))
	if err != nil {
		t.Fatal(err)
	}
	server := zkserver.Start(t, 1)
	environment := []string{
		"XCONSUMER_ZOOKEEPER_HOST=" + server.Hosts(), "XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT=4s", "XCONSUMER_ZOOKEEPER_TICK_TIME=" + zkserver.Tick.String(),
	}
	owner := exec.Command(bin, "cluster", "init", "--config", config)
	owner.Env = append(owner.Environ(), append(environment, "XCONSUMER_ZOOKEEPER_USERNAME=u", "XCONSUMER_ZOOKEEPER_PASSWORD=p")...)
	if out, err := owner.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	stranger := exec.Command(bin, "run", "--config", config, "--http", "off")
	stranger.Env = append(stranger.Environ(), environment...)
	p := fleets.Run(t, stranger)
	if code := p.Exit(); code != 78 {
		t.Errorf("exit code %d; want 78", code)
	}
	line := p.Find(`(?m)^xconsumer: .*may not use the records of the cluster; give it the username and password that the other nodes have.*$`)
	if strings.Contains(line, "/xconsumer") {
		t.Errorf("a key of the store is in %q", line)
	}
}
