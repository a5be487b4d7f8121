package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// OperationKind is a kind of operation.
type OperationKind string

// The kinds of operations.
const (
	OpScale    OperationKind = "scale"     // set the number of Task's workers to Workers, over its declaration, until it is reset
	OpPause    OperationKind = "pause"     // stop the workers of Task, until it is resumed
	OpResume   OperationKind = "resume"    // let the workers of Task run, even if its declaration is paused
	OpReset    OperationKind = "reset"     // undo what scale, pause and resume did to Task
	OpCordon   OperationKind = "cordon"    // give Node no new slots; those that it has stay
	OpUncordon OperationKind = "uncordon"  // let Node take slots again; this ends a drain as well
	OpDrain    OperationKind = "drain"     // move the slots of Node away, and give it no new ones until it is uncordoned, also after a restart
	OpRestart  OperationKind = "restart"   // restart one worker (Task and Index), all workers of Task, or all workers of Node
	OpStepDown OperationKind = "step-down" // make the current leader step down
	OpRunNow   OperationKind = "run-now"   // begin a run of Task, with Params if there are any, else with those of its declaration
	OpDeclare  OperationKind = "declare"   // make Spec the declaration of Task; create the task if it does not exist
	OpPatch    OperationKind = "patch"     // change the fields of Task's declaration that Patch names
	OpDelete   OperationKind = "delete"    // delete Task and the records of its runs
	OpEvict    OperationKind = "evict"     // end the membership of Node; its workers stop, and it joins again as a new member
	OpLabel    OperationKind = "label"     // change the labels of Node, over its configuration
	OpMove     OperationKind = "move"      // move one worker (Task and Index) to Node
	OpSettings OperationKind = "settings"  // make Settings the settings of the cluster
	OpMoveNow  OperationKind = "move-now"  // end the delays that hold slots of nodes that are gone, and of nodes that have come back
	OpLose     OperationKind = "lose"      // lose Node; this can be planned, but not done
)

// OperationKinds returns all kinds of operations.
func OperationKinds() []OperationKind {
	return []OperationKind{
		OpScale, OpPause, OpResume, OpReset, OpCordon, OpUncordon, OpDrain, OpRestart, OpStepDown, OpRunNow,
		OpDeclare, OpPatch, OpDelete, OpEvict, OpLabel, OpSettings, OpMove, OpMoveNow, OpLose,
	}
}

// Caller identifies the client that requests an operation. It does not change the effect of the operation.
type Caller struct {
	// By is the caller's name, and From is where the caller asked from. Both are for people, and are kept in the audit. If By
	// is "", the caller is unknown; if From is "" as well, it is the node itself.
	By   string
	From string
	// Key makes an operation idempotent, unless it is "": operations of the same By with the same Key are done once, even
	// if they are requested repeatedly and on different nodes. Keys are remembered as long as the audit has their lines.
	Key string
}

// Operation is a requested change of the cluster. Kind determines which of the fields it uses. The functions below make
// operations.
type Operation struct {
	Kind    OperationKind   `json:"kind" doc:"What to do."`
	Task    string          `json:"task,omitempty" doc:"Name of the task."`
	Index   *int            `json:"index,omitempty" doc:"Index of the worker, for move and for the restart of one worker."`
	Node    string          `json:"node,omitempty" doc:"Name of the node; for move, the node to move to."`
	Workers *int            `json:"workers,omitempty" doc:"Number of workers, for scale."`
	Params  Params          `json:"params,omitempty" doc:"Params of the run, for run-now."`
	Spec    *TaskSpec       `json:"spec,omitempty" doc:"Declaration, for declare."`
	Patch   json.RawMessage `json:"patch,omitempty" doc:"JSON merge patch of the declaration, for patch; null resets a field."`
	// If is the revision that the record of Task must have, or IfAbsent for a task that must not exist; "" for any.
	// Otherwise nothing is changed, and the error matches ErrMovedOn or ErrExists.
	If string `json:"if,omitempty" doc:"Revision that the task must have, or absent for a task that must not exist; any if left out."`
	// Deadline is how long a drained node may keep workers that no other node can take; 0 for ever. After it they are
	// stopped, and the limits on moves no longer apply. Each leader counts it from the moment when it first sees the drain.
	Deadline Duration           `json:"deadline,omitempty" doc:"For drain: time after which workers that no other node can take are stopped; without it they stay."`
	Settings *Settings          `json:"settings,omitempty" doc:"For settings: those of the cluster; fields that are left out get their defaults."`
	Labels   map[string]*string `json:"labels,omitempty" doc:"Labels to change, for label: \"\" hides a label, null restores the node's own value."`
	Caller   `json:"-"`
}

// IfAbsent is the revision of a task that does not exist.
const IfAbsent = "absent"

// Declare sets the declaration of a task, in place of the present one.
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

// Cordon gives a node no new slots.
func Cordon(node string) Operation { return Operation{Kind: OpCordon, Node: node} }

// Uncordon lets a node take slots again.
func Uncordon(node string) Operation { return Operation{Kind: OpUncordon, Node: node} }

// Drain moves the slots of a node away. See Operation.Deadline.
func Drain(node string, deadline time.Duration) Operation {
	return Operation{Kind: OpDrain, Node: node, Deadline: Duration(deadline)}
}

// Evict ends the membership of a node: its workers stop, and it joins again as a new member.
func Evict(node string) Operation { return Operation{Kind: OpEvict, Node: node} }

// Label changes the labels of a node. "" hides a label, and nil restores the node's own value.
func Label(node string, labels map[string]*string) Operation {
	return Operation{Kind: OpLabel, Node: node, Labels: labels}
}

// Configure sets the settings of the cluster, in place of the present ones.
func Configure(settings Settings) Operation { return Operation{Kind: OpSettings, Settings: &settings} }

// Move moves a worker to a node. It is refused if the planner would move the worker away again.
func Move(slot Slot, node string) Operation {
	return Operation{Kind: OpMove, Task: slot.Task, Index: &slot.Index, Node: node}
}

// RestartWorker restarts a worker under a new token, not necessarily on the same node.
func RestartWorker(slot Slot) Operation {
	return Operation{Kind: OpRestart, Task: slot.Task, Index: &slot.Index}
}

// RestartTask restarts all workers of a task, as many at a time as the limits on moves allow.
func RestartTask(task string) Operation { return Operation{Kind: OpRestart, Task: task} }

// RestartNode restarts all workers of a node, as many at a time as the limits on moves allow.
func RestartNode(node string) Operation { return Operation{Kind: OpRestart, Node: node} }

// RunNow begins a run of a task that runs to its end. The run waits for an earlier one to end, unless the task's runs may
// overlap. Params replace those of the declaration, unless they are "".
func RunNow(task string, params Params) Operation {
	return Operation{Kind: OpRunNow, Task: task, Params: params}
}

// StepDown makes the current leader step down: it becomes the last in line. A node that is alone leads again, in a new term.
func StepDown() Operation { return Operation{Kind: OpStepDown} }

// Lose loses a node. It can be planned, but not done.
func Lose(node string) Operation { return Operation{Kind: OpLose, Node: node} }

// MoveNow moves the slots of nodes that are gone, without waiting for leave delays, restart graces and freezes, and gives nodes that
// have come back their shares. It does not shorten the wait for a lease that may still be valid.
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
	case o.Kind == OpSettings && o.Settings != nil:
		text, _ := json.Marshal(o.Settings) // settings can always be encoded
		return fmt.Sprintf("%s %s", o.Kind, text)
	case o.Index != nil:
		return fmt.Sprintf("%s %s", o.Kind, Slot{Task: o.Task, Index: *o.Index})
	case o.Task != "":
		return fmt.Sprintf("%s task %q", o.Kind, o.Task)
	case o.Node != "":
		return fmt.Sprintf("%s node %q", o.Kind, o.Node)
	}
	return string(o.Kind)
}

// Operations are a list of operations. They are done in order, each on the result of those before it.
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

// labelChanges writes changes of labels in the form that the command line takes.
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
