package devcluster

import (
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// dev says of a task whose work no node has which there are.
func TestBannerNamesMissingWorks(t *testing.T) {
	got := workless(cluster.State{
		Nodes: []cluster.NodeInfo{{Works: []string{"hello", "resize"}}, {Works: []string{"hello"}}},
		Tasks: []cluster.TaskInfo{{Name: "fine", WorkName: "hello"}, {Name: "x", WorkName: "helo", ReasonCode: cluster.WhyNoWork}},
	})
	if want := []string{`task x: no node has registered work "helo"; there are: hello, resize; did you mean "hello"?`, ""}; !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
}
