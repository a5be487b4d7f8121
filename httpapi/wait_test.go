package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// Nothing has settled before the node sees all that was written, which it need not see at once.
func TestWaitsUntilItIsSeen(t *testing.T) {
	spec := func(name string) string { return fmt.Sprintf(`{"name": %q, "workName": "w", "workerNum": 1}`, name) }
	apply := func(change string) (path, body string) {
		return "plan/apply", `{"revision": "5", "change": {` + change + `}}`
	}
	seen := func(name, revision string) cluster.TaskDetail {
		return cluster.TaskDetail{TaskInfo: cluster.TaskInfo{Name: name, Revision: revision}}
	}
	node1 := func(n cluster.NodeInfo) cluster.State {
		n.Name = "n1"
		return cluster.State{Nodes: []cluster.NodeInfo{n}}
	}
	two, twoBody := apply(`"tasks": [` + spec("a") + `, ` + spec("b") + `]`)
	del, delBody := apply(`"delete": ["a"]`)
	drain, drainBody := apply(`"drain": ["n1"]`)
	for _, c := range []struct {
		name       string
		path, body string
		sight      cluster.Sight
		want       string // that is waited for, "" for nothing
	}{
		{"both tasks are seen", two, twoBody, cluster.Sight{Tasks: []cluster.TaskDetail{seen("a", "8"), seen("b", "9")}}, ""},
		{"one task is seen", two, twoBody, cluster.Sight{Tasks: []cluster.TaskDetail{seen("a", "8")}}, "task b is not seen as it was written"},
		{"one task is seen as it was", two, twoBody, cluster.Sight{Tasks: []cluster.TaskDetail{seen("a", "7"), seen("b", "8")}}, "task a is not seen as it was written"},
		{"the task is gone", del, delBody, cluster.Sight{}, ""},
		{"the task is there", del, delBody, cluster.Sight{Tasks: []cluster.TaskDetail{seen("a", "8")}}, "task a is there still"},
		{"the drain is seen", drain, drainBody, cluster.Sight{State: node1(cluster.NodeInfo{Drain: &cluster.DrainInfo{}}), Marks: map[string]string{"n1": "8"}}, ""},
		{"an older mark is seen", drain, drainBody, cluster.Sight{State: node1(cluster.NodeInfo{Drain: &cluster.DrainInfo{}}), Marks: map[string]string{"n1": "7"}}, "what is wanted of n1 is not seen as it was written"},
		{"a mark before the last is seen", drain, drainBody, cluster.Sight{State: node1(cluster.NodeInfo{Cordoned: true}), Marks: map[string]string{"n1": "9"}}, "drain of n1 is not seen yet"},
		{"the label is seen", "nodes/n1/label", `{"labels": {"gpu": "true"}}`, cluster.Sight{Marks: map[string]string{"n1": "8"}}, ""},
		{"the mark has been taken back", "nodes/n1/label", `{"labels": {"gpu": null}}`, cluster.Sight{}, ""},
		{"the label is not seen", "nodes/n1/label", `{"labels": {"gpu": "true"}}`, cluster.Sight{Marks: map[string]string{"n1": "3"}}, "what is wanted of n1 is not seen as it was written"},
		{"a node is waited for", "moves/now", "", cluster.Sight{State: cluster.State{Lost: []cluster.NodeInfo{{Name: "n7", Member: "m"}}}}, "n7 is waited for still"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := node{apinode.Seeing(c.sight), new([]string), nil}
			wait := "1m"
			if c.want != "" {
				wait = "50ms"
			}
			resp, text := ask(t, n, http.MethodPost, "/api/v1/"+c.path+"?wait="+wait, c.body, "Content-Type", "application/json")
			var got struct {
				Settled *bool
				Waiting []string
			}
			if err := json.Unmarshal(text, &got); err != nil || resp.StatusCode != http.StatusAccepted {
				t.Fatalf("%d: %s, %v", resp.StatusCode, text, err)
			}
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			if got.Settled == nil || *got.Settled != (c.want == "") || !cmp.Equal(want, got.Waiting) {
				t.Errorf("%s", text)
			}
		})
	}
}
