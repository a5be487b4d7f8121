package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// runOn runs a command against a node, and writes to out.
func runOn(t *testing.T, url string, out io.Writer, args ...string) {
	t.Helper()
	env := func(name string) string { return map[string]string{"XCONSUMER_SERVER": url}[name] }
	root := &cobra.Command{Use: "xconsumer", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands(Streams{Out: out, Err: io.Discard, Env: env}, func(string) (string, []cluster.TaskSpec, error) {
		return "app.toml", []cluster.TaskSpec{{Name: "fresh", WorkName: "w", WorkerNum: 1}}, nil
	})...)
	root.SetArgs(args)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Errorf("%v: %v", args, err)
	}
}

// A node is listed with the address where others reach it, and with the one it listens on only if there is no other.
func TestAddressOfNode(t *testing.T) {
	node := apinode.New(cluster.State{Nodes: []cluster.NodeInfo{
		{Name: "n1", Member: "m1", State: cluster.NodeUp, Address: "0.0.0.0:8800", Advertise: "10.1.2.3:8801"},
		{Name: "n2", Member: "m2", State: cluster.NodeUp, Address: "127.0.0.1:8802"},
	}})
	url := apinode.Serve(t, node, httpapi.Options{}).URL
	for _, command := range []string{"nodes", "status"} {
		var out bytes.Buffer
		runOn(t, url, &out, command)
		if got := out.String(); !strings.Contains(got, " 10.1.2.3:8801") || !strings.Contains(got, " 127.0.0.1:8802") || strings.Contains(got, "0.0.0.0:8800") {
			t.Errorf("%s: %s", command, got)
		}
	}
}
