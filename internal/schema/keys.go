package schema

import (
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Keys builds the keys of one cluster.
type Keys struct{ root string }

// NewKeys returns the keys of a cluster.
func NewKeys(cluster string) Keys { return Keys{"/xconsumer/" + cluster} }

// Root returns the key above all others.
func (k Keys) Root() string { return k.root }

// Meta is the cluster's identity and active protocol.
func (k Keys) Meta() string { return k.root + "/meta" }

// Epoch is the leader's term and the token counter.
func (k Keys) Epoch() string { return k.root + "/epoch" }

// PeerSecret is the secret by which nodes prove to each other that they belong to the cluster. No output shows it.
func (k Keys) PeerSecret() string { return k.root + "/secret" }

// Settings is the operator's settings for the whole cluster.
func (k Keys) Settings() string { return k.root + "/settings" }

// Suspects are slots that may have taken down the processes that ran them.
func (k Keys) Suspects() string { return k.root + "/suspects" }

// Elections is the parent of the candidates.
func (k Keys) Elections() string { return k.root + "/election" }

// Members is the parent of the live members.
func (k Keys) Members() string { return k.root + "/members" }

// Member exists while the member's session does.
func (k Keys) Member(memberID string) string { return k.Members() + "/" + memberID }

// Name exists while a member of that node name does.
func (k Keys) Name(node string) string { return k.root + "/names/" + node }

// Heartbeat is the key that a member writes to prove that it is alive.
func (k Keys) Heartbeat(memberID string) string { return k.root + "/heartbeats/" + memberID }

// Assignments is the parent of the assignments.
func (k Keys) Assignments() string { return k.root + "/assignments" }

// Assignment is the leader's record of what a member is to run.
func (k Keys) Assignment(memberID string) string { return k.Assignments() + "/" + memberID }

// Status is the member's record of what it holds.
func (k Keys) Status(memberID string) string { return k.root + "/status/" + memberID }

// SpecChunk is one of the records of the specs that grants name.
func (k Keys) SpecChunk(number int64) string {
	return k.root + "/specs/" + strconv.FormatInt(number, 10)
}

// SpecChunkNumber returns the number of a record of specs.
func SpecChunkNumber(key string) (number int64, ok bool) {
	number, err := strconv.ParseInt(Base(key), 10, 64)
	return number, err == nil && number > 0
}

// Tasks is the parent of the tasks.
func (k Keys) Tasks() string { return k.root + "/tasks" }

// Task is a task's declaration.
func (k Keys) Task(name string) string { return k.Tasks() + "/" + name }

// Marks is the parent of the operators' marks of nodes.
func (k Keys) Marks() string { return k.root + "/marks" }

// Mark is the operators' mark of the node with a name.
func (k Keys) Mark(node string) string { return k.Marks() + "/" + node }

// Requests is the operators' requests that are served once.
func (k Keys) Requests() string { return k.root + "/requests" }

// Removed is the record of removals.
func (k Keys) Removed() string { return k.root + "/removed" }

// Audit is the record of the latest operations.
func (k Keys) Audit() string { return k.root + "/audit" }

// Checkpoint is the stored progress of a slot's worker.
func (k Keys) Checkpoint(slot cluster.Slot) string {
	return k.root + "/checkpoints/" + slot.Task + "/" + strconv.Itoa(slot.Index)
}

// TaskRuns is the parent of the records of runs that are under way.
func (k Keys) TaskRuns() string { return k.root + "/agendas" }

// TaskRunsOf is the record of the runs of a task that runs to its end.
func (k Keys) TaskRunsOf(task string) string { return k.TaskRuns() + "/" + task }

// FinishedRun is the record of a run that is over.
func (k Keys) FinishedRun(task, run string) string { return k.root + "/runs/" + task + "/" + run }

// Completions is the parent of the members' records of slots that have ended.
func (k Keys) Completions() string { return k.root + "/done" }

// CompletionsOf is a member's record of slots of runs that have ended on it.
func (k Keys) CompletionsOf(memberID string) string { return k.Completions() + "/" + memberID }

// PlanFault is the last input on which the planner failed, kept for its developers.
func (k Keys) PlanFault() string { return k.root + "/planfault" }

// Decision is one of the leaders' latest decisions.
func (k Keys) Decision(n int64) string {
	return k.root + "/decisions/" + strconv.FormatInt(n, 10)
}

const electionMark = "-n_"

// CandidatePrefix returns the prefix of a member's candidate key; the service adds the sequence.
func CandidatePrefix(keys Keys, memberID string) string {
	return keys.Elections() + "/" + memberID + electionMark
}

// Candidate returns the member that a child of Elections belongs to.
func Candidate(child string) (memberID string, ok bool) {
	memberID, _, ok = strings.Cut(child, electionMark)
	return memberID, ok
}

// Base returns the last element of a key.
func Base(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// Dir returns a key without its last element.
func Dir(key string) string { return key[:max(0, strings.LastIndexByte(key, '/'))] }
