package cluster_test

import (
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// A selector picks nodes by their labels. Unmet returns what a node lacks.
func ExampleSelector_Unmet() {
	selector := cluster.Selector("gpu=true, zone!=c, !spot")
	fmt.Println(selector.Unmet(cluster.Labels{"gpu": "true", "zone": "a"}))
	fmt.Println(selector.Unmet(cluster.Labels{"zone": "c", "spot": "true"}))
	// Output:
	// []
	// [gpu=true zone!=c !spot]
}

// Validate returns every mistake in a declaration.
func ExampleTaskSpec_Validate() {
	spec := cluster.TaskSpec{Name: "nightly report", WorkName: "report", WorkerNum: 4, Overlap: "never"}
	fmt.Println(spec.Validate())
	// Output:
	// name: "nightly report": only letters, digits and . _ - are allowed
	// overlap: only tasks that run to their end have it; add mode = "once" or a schedule
}

// Params are a JSON object of at most MaxParams bytes.
func ExampleNewParams() {
	p, err := cluster.NewParams(map[string]any{"server": "imap.example.com:993", "batch": 50})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p)
	var into struct{ Batch int }
	err = p.Decode(&into)
	fmt.Println(into.Batch, err)
	// Output:
	// {"batch":50,"server":"imap.example.com:993"}
	// 50 <nil>
}

// The text form of a slot is what the command line takes and prints.
func ExampleSlot_UnmarshalText() {
	var slot cluster.Slot
	err := slot.UnmarshalText([]byte("orders#3"))
	fmt.Println(slot.Task, slot.Index, err)
	fmt.Println(slot.UnmarshalText([]byte("orders")))
	// Output:
	// orders 3 <nil>
	// slot "orders": want a name as in "test01#0"
}

// The slots of a run are named after the task and the run.
func ExampleSplitRun() {
	name := cluster.RunTask("nightly", "20261125T013000Z")
	fmt.Println(name)
	task, run := cluster.SplitRun(name)
	fmt.Println(task, run)
	// Output:
	// nightly@20261125T013000Z
	// nightly 20261125T013000Z
}

// A reason has a code for programs and a text for people.
func ExampleReason() {
	why := cluster.Reason{Code: cluster.WhyNoLabel, Detail: "gpu=true"}
	fmt.Println(why.Code)
	fmt.Println(why)
	// Output:
	// no-label
	// no live node with this work has the required label gpu=true
}
