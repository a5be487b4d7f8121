package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// OperationKind says what is to be done.
type OperationKind string

// The kinds of operations.
const (
	OpScale    OperationKind = "scale"     // Workers of Task, whatever its declaration says, until it is reset
	OpPause    OperationKind = "pause"     // stop the workers of Task until it is resumed
	OpResume   OperationKind = "resume"    // let the workers of Task run, also if it is declared as paused
	OpReset    OperationKind = "reset"     // take back what scale, pause and resume did to Task
	OpCordon   OperationKind = "cordon"    // give Node nothing new; what it has stays
	OpUncordon OperationKind = "uncordon"  // let Node take work again; ends a drain, too
	OpDrain    OperationKind = "drain"     // move away what Node has, and give it nothing new, also after a restart, until it is uncordoned
	OpRestart  OperationKind = "restart"   // start anew one worker (Task and Index), all of Task, or all of Node
	OpStepDown OperationKind = "step-down" // let the present leader stand behind all others
	OpRunNow   OperationKind = "run-now"   // begin a run of Task, with Params if it has any, else with those that are declared
	OpDeclare  OperationKind = "declare"   // put Spec in force as the declaration of Task, which is created if it does not exist
	OpPatch    OperationKind = "patch"     // change parts of the declaration of Task, as Patch says
	OpDelete   OperationKind = "delete"    // delete Task, and what is known of its runs
	OpEvict    OperationKind = "evict"     // end the membership of Node: its workers stop, and it joins again as a new member
	OpLabel    OperationKind = "label"     // change the labels of Node, whatever its configuration says
	OpMove     OperationKind = "move"      // move one worker (Task and Index) to Node
	OpMoveNow  OperationKind = "move-now"  // let no delay or freeze hold the work of nodes that are gone at this moment
	OpLose     OperationKind = "lose"      // lose Node; it can be planned, and not be done
)

// OperationKinds returns all kinds.
func OperationKinds() []OperationKind {
	return []OperationKind{
		OpScale, OpPause, OpResume, OpReset, OpCordon, OpUncordon, OpDrain, OpRestart, OpStepDown, OpRunNow,
		OpDeclare, OpPatch, OpDelete, OpEvict, OpLabel, OpMove, OpMoveNow, OpLose,
	}
}

// Caller is who asks for operations. It is not part of what they do.
type Caller struct {
	// By is a name, and From is from where; for people, and noted. Without a name it is somebody's, or if From is ""
	// as well, the node's own that is asked.
	By   string
	From string
	// Key, if it is not "", makes what is asked for the same way, by the same By and with the same key, one: it is done once,
	// whoever is asked and however often. As many are remembered as the audit has lines.
	Key string
}

// Operation is what a person asks for. The functions below make operations.
type Operation struct {
	Kind    OperationKind `json:"kind"`
	Task    string        `json:"task,omitempty"`
	Index   *int          `json:"index,omitempty"`
	Node    string        `json:"node,omitempty"`
	Workers *int          `json:"workers,omitempty"` // nil for none: 0 is a number of workers
	Params  Params        `json:"params,omitempty"`
	Spec    *TaskSpec     `json:"spec,omitempty"`
	// Patch is a JSON object of those fields of a TaskSpec that are to change; null takes one back (RFC
	// 7396).
	Patch json.RawMessage `json:"patch,omitempty"`
	// If is the revision that the record of Task must have, IfAbsent for a task that must not exist, "" for any.
	// Else nothing is changed, and the error matches ErrMovedOn, or ErrExists.
	If string `json:"if,omitempty"`
	// Deadline is, of a drain, how long what no other node can take may stay: 0 for ever. Then it
	// is stopped, and the budgets no longer hold. Each leader counts it from when it first sees
	// the drain.
	Deadline Duration `json:"deadline,omitempty"`
	// Labels are those of Node that change: "" hides one that it has, nil puts its own in force again.
	Labels map[string]*string `json:"labels,omitempty"`
	Caller `json:"-"`
}

// IfAbsent is the revision of a task that does not exist.
const IfAbsent = "absent"

// Declare puts a declaration in force, in place of that which the task has.
func Declare(spec TaskSpec) Operation {
	return Operation{Kind: OpDeclare, Task: spec.Name, Spec: &spec}
}

// Patch changes parts of a task's declaration.
func Patch(task string, patch json.RawMessage) Operation {
	return Operation{Kind: OpPatch, Task: task, Patch: patch}
}

// Delete deletes a task.
func Delete(task string) Operation { return Operation{Kind: OpDelete, Task: task} }

// Scale sets the number of a task's workers.
func Scale(task string, workers int) Operation {
	return Operation{Kind: OpScale, Task: task, Workers: &workers}
}

// Pause stops the workers of a task.
func Pause(task string) Operation { return Operation{Kind: OpPause, Task: task} }

// Resume lets the workers of a task run.
func Resume(task string) Operation { return Operation{Kind: OpResume, Task: task} }

// Reset puts the declaration of a task in force again.
func Reset(task string) Operation { return Operation{Kind: OpReset, Task: task} }

// Cordon makes a node take nothing new.
func Cordon(node string) Operation { return Operation{Kind: OpCordon, Node: node} }

// Uncordon lets a node take work again.
func Uncordon(node string) Operation { return Operation{Kind: OpUncordon, Node: node} }

// Drain makes a node give away what it has.
func Drain(node string, deadline time.Duration) Operation {
	return Operation{Kind: OpDrain, Node: node, Deadline: Duration(deadline)}
}

// Evict ends the membership of a node: its workers stop, and it joins again as a new member.
func Evict(node string) Operation { return Operation{Kind: OpEvict, Node: node} }

// Label changes the labels of a node: "" hides one that it has, nil puts its own in force again.
func Label(node string, labels map[string]*string) Operation {
	return Operation{Kind: OpLabel, Node: node, Labels: labels}
}

// Move moves a worker to a node. It is refused if the plan would not leave it there.
func Move(slot Slot, node string) Operation {
	return Operation{Kind: OpMove, Task: slot.Task, Index: &slot.Index, Node: node}
}

// RestartWorker starts a worker anew, under a new token and not necessarily on the same node.
func RestartWorker(slot Slot) Operation {
	return Operation{Kind: OpRestart, Task: slot.Task, Index: &slot.Index}
}

// RestartTask starts all workers of a task anew, as many at a time as the budgets allow.
func RestartTask(task string) Operation { return Operation{Kind: OpRestart, Task: task} }

// RestartNode starts all workers of a node anew, as many at a time as the budgets allow.
func RestartNode(node string) Operation { return Operation{Kind: OpRestart, Node: node} }

// RunNow begins a run of a task that runs to its end. While another one goes on it waits for that, unless
// the task's runs may overlap. Params replace those that are declared, "" leaves them.
func RunNow(task string, params Params) Operation {
	return Operation{Kind: OpRunNow, Task: task, Params: params}
}

// StepDown lets the present leader stand behind all others. Where there is no other, only the term
// changes.
func StepDown() Operation { return Operation{Kind: OpStepDown} }

// Lose loses a node. It can be planned, and not be done.
func Lose(node string) Operation { return Operation{Kind: OpLose, Node: node} }

// MoveNow cuts the waits for nodes that are gone. A lease that may not be over yet is waited for all the same.
func MoveNow() Operation { return Operation{Kind: OpMoveNow} }

// String describes the operation.
func (o Operation) String() string {
	switch {
	case o.Kind == OpScale && o.Workers != nil:
		return fmt.Sprintf("scale task %q to %d", o.Task, *o.Workers)
	case o.Kind == OpMove && o.Index != nil:
		return fmt.Sprintf("move %s to node %q", Slot{Task: o.Task, Index: *o.Index}, o.Node)
	case o.Kind == OpLabel:
		return fmt.Sprintf("label node %q %s", o.Node, labelChanges(o.Labels))
	case o.Index != nil:
		return fmt.Sprintf("%s %s", o.Kind, Slot{Task: o.Task, Index: *o.Index})
	case o.Task != "":
		return fmt.Sprintf("%s task %q", o.Kind, o.Task)
	case o.Node != "":
		return fmt.Sprintf("%s node %q", o.Kind, o.Node)
	}
	return string(o.Kind)
}

// Operations are done in their order, each on what those before it have left.
type Operations []Operation

// String describes the operations.
func (o Operations) String() string {
	if len(o) == 0 {
		return "nothing"
	}
	parts := make([]string, len(o))
	for i := range o {
		parts[i] = o[i].String()
	}
	return strings.Join(parts, "; ")
}

// About returns the names of the tasks and nodes that the operations are about, each once, in order.
func (o Operations) About() (tasks, nodes []string) {
	add := func(list []string, name string) []string {
		if name == "" {
			return list
		}
		return append(list, name)
	}
	for i := range o {
		tasks, nodes = add(tasks, o[i].Task), add(nodes, o[i].Node)
	}
	slices.Sort(tasks)
	slices.Sort(nodes)
	return slices.Compact(tasks), slices.Compact(nodes)
}

// labelChanges writes changes of labels as the command line takes them.
func labelChanges(labels map[string]*string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		switch value := labels[key]; {
		case value == nil:
			parts = append(parts, key+"~")
		case *value == "":
			parts = append(parts, key+"-")
		default:
			parts = append(parts, key+"="+*value)
		}
	}
	return strings.Join(parts, " ")
}
