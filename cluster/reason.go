package cluster

import (
	"cmp"
	"strings"
)

// ReasonCode is why something was decided, for programs. Codes are never renamed.
type ReasonCode string

// Why a slot has no place.
const (
	WhyNoNode   ReasonCode = "no-node"  // no node takes work
	WhyNoWork   ReasonCode = "no-work"  // no live node has registered its work
	WhyNoLabel  ReasonCode = "no-label" // no live node with the work has a label that it requires
	WhyCordoned ReasonCode = "cordoned" // the nodes that could run it are cordoned or draining
	WhyFull     ReasonCode = "full"     // the nodes that could run it have no room
	WhyPerNode  ReasonCode = "per-node" // the nodes that could run it have as many of the task as they may
	WhyPaused   ReasonCode = "paused"   // an operator paused the task
	WhyDelayed  ReasonCode = "delayed"  // its node is gone, and its session, a delay or a freeze is not over
	WhySchedule ReasonCode = "schedule" // its schedule cannot be used
	WhyClock    ReasonCode = "clock"    // a leader's clock was wrong
	WhyLate     ReasonCode = "late"     // a firing of a schedule came too late
	WhyOverlap  ReasonCode = "overlap"  // a firing of a schedule came while another run went on
	WhyQuiet    ReasonCode = "quiet"    // a node has come back, and nodes came or went lately
	WhyResizing ReasonCode = "resizing" // workers of the old count have not stopped

	WhyRunsUnusable ReasonCode = "runs-unusable" // its node is gone, and the record of the task's runs cannot be used
)

// Why a slot leaves its node. The codes above serve too: a node that lost a label is left for it.
const (
	WhyDraining    ReasonCode = "draining"     // the node is being drained
	WhyQuarantined ReasonCode = "quarantined"  // everything fails on the node
	WhyFailing     ReasonCode = "failing"      // it fails again and again on the node
	WhyLeaving     ReasonCode = "leaving"      // the node is leaving the cluster
	WhyLost        ReasonCode = "lost"         // the node was lost
	WhyLeft        ReasonCode = "left"         // the node left
	WhyEvicted     ReasonCode = "evicted"      // the node was evicted
	WhyPreferred   ReasonCode = "preferred"    // another node has the labels that it prefers
	WhyLeaderFree  ReasonCode = "leader-free"  // the leader takes no work
	WhySpread      ReasonCode = "spread"       // the node had more of the task than its share
	WhyBalance     ReasonCode = "balance"      // the node had more work than its share
	WhyScaledDown  ReasonCode = "scaled-down"  // the task has fewer workers now
	WhyResized     ReasonCode = "resized"      // all workers of the task start again with its new count
	WhyDeleted     ReasonCode = "deleted"      // the task was deleted
	WhyUndeclared  ReasonCode = "undeclared"   // no such task is declared
	WhyDoubled     ReasonCode = "doubled"      // another assignment lists it as well, under a token that is not lower
	WhyRefused     ReasonCode = "refused"      // the node does not take it: it has had a higher token for it
	WhyDone        ReasonCode = "done"         // it has run to its end
	WhyTaskChanged ReasonCode = "task-changed" // the task runs another work now
	WhyMoved       ReasonCode = "moved"        // an operator moved it
	WhyRestart     ReasonCode = "restart"      // an operator asked for a restart
	WhyTooLarge    ReasonCode = "too-large"    // a record is too large to be written
	WhyEdited      ReasonCode = "edited"       // a record was edited manually
	WhyCrashed     ReasonCode = "crashed"      // it may have taken down its nodes
	WhyCleared     ReasonCode = "cleared"      // it has run long enough to be no longer suspected
	WhyUnlisted    ReasonCode = "unlisted"     // the node held it, and its assignment did not list it
)

// Why a slot is granted, where it has not just left another node, and why a run begins or ends.
const (
	WhyUnplaced ReasonCode = "unplaced" // no node had it
	WhyResumed  ReasonCode = "resumed"  // its task was paused, and is no longer
	WhyDue      ReasonCode = "due"      // its schedule has it now, or its task runs once
	WhyAsked    ReasonCode = "asked"    // a user requested it
	WhyFailed   ReasonCode = "failed"   // some of its workers have failed too often
)

// Reason is why something was decided. The zero value gives no reason.
type Reason struct {
	Code   ReasonCode `json:"code,omitempty"`
	Node   string     `json:"node,omitempty"`   // the node that it is about
	Detail string     `json:"detail,omitempty"` // more about it, in words
}

// reasonText holds the words of a reason: plain, about a node, with a detail, and about a node with a detail. An empty text
// falls back to the one before it. {node} stands for the node, {detail} for the detail, and {: detail} for ": " and the
// detail, or for nothing without one.
type reasonText struct{ plain, ofNode, detailed, detailedOfNode string }

// reasonTexts has the words of every code of this version.
var reasonTexts = map[ReasonCode]reasonText{
	"":        {plain: "{detail}"},
	WhyNoNode: {plain: "no node takes work"},
	WhyNoWork: {plain: "no live node has registered its work", ofNode: "{node} has not registered its work"},
	WhyNoLabel: {
		plain:  "no live node with this work has the required label {detail}",
		ofNode: "it needs label {detail}, {node} does not have it",
	},
	WhyCordoned: {plain: "every node that could run it is cordoned or draining", ofNode: "{node} is cordoned"},
	WhyFull: {
		plain:          "every node that could run it is full",
		ofNode:         "{node} has more than its capacity",
		detailed:       "{detail}",
		detailedOfNode: "{node} {detail}",
	},
	WhyPerNode: {
		plain:  "every node that could run it has the {detail} of the task that a node may have",
		ofNode: "{node} has more than the {detail} of the task that a node may have",
	},
	WhyPaused:   {plain: "the task is paused"},
	WhyDelayed:  {plain: "{node} is gone: {detail}"},
	WhySchedule: {plain: "its schedule cannot be used: {detail}"},
	WhyClock:    {plain: "a leader's clock is or was wrong{: detail}"},
	WhyLate:     {plain: "{detail}"},
	WhyOverlap:  {plain: "{detail}"},
	WhyQuiet:    {plain: "nodes have come back, and get only free slots until no node has come or gone for {detail}"},
	WhyResizing: {plain: "it waits for {detail}"},

	WhyRunsUnusable: {plain: "{node} is gone, and the record of the task's runs cannot be read or written{: detail}"},

	WhyDraining:    {plain: "{node} is draining"},
	WhyQuarantined: {plain: "everything fails on {node}{: detail}"},
	WhyFailing:     {plain: "it fails again and again on {node}{: detail}"},
	WhyLeaving:     {plain: "{node} is leaving"},
	WhyLost:        {plain: "{node} was lost{: detail}"},
	WhyLeft:        {plain: "{node} left"},
	WhyEvicted:     {plain: "{node} was evicted{: detail}"},
	WhyPreferred:   {plain: "another node has the labels that it prefers"},
	WhyLeaderFree:  {plain: "{node} leads, and the leader takes no work while others can"},
	WhySpread:      {plain: "{node} had more of the task than its share"},
	WhyBalance:     {plain: "{node} had more work than its share"},
	WhyScaledDown:  {plain: "the task was scaled down"},
	WhyResized: {
		plain:    "all workers of the task start again with its new count",
		detailed: "all workers of the task start again: {detail}",
	},
	WhyDeleted:     {plain: "the task was deleted"},
	WhyUndeclared:  {plain: "no such task is declared"},
	WhyDoubled:     {plain: "it was granted twice{: detail}"},
	WhyRefused:     {plain: "{node} does not take it{: detail}"},
	WhyDone:        {plain: "it has run to its end"},
	WhyTaskChanged: {plain: "the task runs another work now"},
	WhyMoved:       {plain: "an operator moved it"},
	WhyRestart:     {plain: "a restart was asked for"},
	WhyTooLarge:    {plain: "a record is too large to be written{: detail}"},
	WhyEdited:      {plain: "a record was edited manually{: detail}"},
	WhyCrashed:     {plain: "it may have taken down {detail}"},
	WhyCleared:     {plain: "it has run for a minute"},
	WhyUnlisted:    {plain: "{node} held it without a grant"},

	WhyUnplaced: {plain: "no node had it"},
	WhyResumed:  {plain: "the task was resumed"},
	WhyDue:      {plain: "it was due"},
	WhyAsked:    {plain: "asked for by {detail}"},
	WhyFailed:   {plain: "some of its workers have failed too often"},
}

// String returns the reason as a part of a sentence, "" without one.
func (r Reason) String() string {
	texts, known := reasonTexts[r.Code]
	if !known {
		texts.plain = string(r.Code) + "{: detail}"
	}
	text, detail := texts.plain, ""
	if r.Detail != "" {
		text, detail = cmp.Or(texts.detailed, text), ": "+r.Detail
	}
	if r.Node != "" {
		text = cmp.Or(texts.ofNode, text)
	}
	if r.Node != "" && r.Detail != "" {
		text = cmp.Or(texts.detailedOfNode, text)
	}
	return filled(text, [...]placeholder{{"{node}", cmp.Or(r.Node, "its node")}, {"{detail}", r.Detail}, {"{: detail}", detail}})
}

type placeholder struct{ name, value string }

// filled replaces the placeholders in a text, but not in their values. A strings.Replacer does the same, and takes longer to make.
func filled(text string, with [3]placeholder) string {
	var b strings.Builder
next:
	for text != "" {
		at := strings.IndexByte(text, '{')
		if at < 0 {
			break
		}
		b.WriteString(text[:at])
		text = text[at:]
		for _, p := range with {
			if strings.HasPrefix(text, p.name) {
				b.WriteString(p.value)
				text = text[len(p.name):]
				continue next
			}
		}
		b.WriteByte('{')
		text = text[1:]
	}
	if b.Len() == 0 {
		return text
	}
	b.WriteString(text)
	return b.String()
}
