package explore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// The walks above assume a sound lease. This one takes time apart, on a service that may end a session at any moment, as etcd may:
//
//	the member   sends heartbeats; each is applied and answered at any time, or never; its lease counts from the send
//	             of the last answered one
//	the service  numbers its commits, and deletes the member's keys at any moment: nothing of the member is applied after that
//	the leader   sends heartbeats of its own and remembers what their answers show; it may also be another member that begins to
//	             lead, or have a new session; at any moment after the deletion it looks, and decides by the real functions
//
// A pause of either, or of its server, is an answer that comes late or never. Time is real; each of the two has a clock that runs
// a little fast or slow. When the leader grants what the member had, the member's lease must be over, whatever still arrives.

// moment is a state of that world. Times are in units, revisions are those of the service.
type moment struct {
	now  int8
	head int8 // the present revision

	// The member: its heartbeat under way, -1 for none, and the send of the last answered one. It begins with its session at 0.
	sent, base, beats int8
	applied           bool
	last, gone        int8 // the revisions of its last heartbeat and of the deletion, 0 for none so far

	// The leader: its heartbeat under way and its revision, 0 if it is not applied, and what answers have shown.
	asked, asks, revision int8
	answers               [mostOf + 1]answer // those without a revision are none
}

// answer is an answer to a heartbeat of the leader.
type answer struct{ revision, sent, shown int8 }

// Bounds of the walk.
const (
	unit    = time.Second
	horizon = 4
	mostOf  = 2 // heartbeats
)

// takeoverRule is how the leader finds when the lease is over; the zero value is the real one.
type takeoverRule struct {
	name string
	// fromSend counts from when the leader sent the heartbeat whose answer shows the member's.
	fromSend bool
	// fromBefore counts from the last answer that does not show it yet.
	fromBefore bool
	// fromRead counts from the heartbeat that the leader read when it last heard of the service, and not from the last one.
	fromRead bool
	// ownTimeout waits for the leader's session timeout.
	ownTimeout bool
	// deletion counts from the deletion that is seen, a session timeout back: the session must have been idle for so long.
	deletion bool
}

func (m moment) steps() (next []moment, names []string) {
	add := func(name string, after moment) {
		next, names = append(next, after), append(names, name)
	}
	if after := m; m.now < horizon {
		after.now++
		add("time passes", after)
	}
	if after := m; m.sent < 0 && m.beats < mostOf && m.gone == 0 {
		after.sent, after.applied = m.now, false
		after.beats++
		add("the member sends a heartbeat", after)
	}
	if after := m; m.sent >= 0 && !m.applied && m.gone == 0 {
		after.head++
		after.applied, after.last = true, after.head
		add("it is applied", after)
	}
	if after := m; m.sent >= 0 && m.applied && m.gone == 0 { // after the end it makes no difference: see wrong
		after.base, after.sent = m.sent, -1
		add("it is answered", after)
	}
	if after := m; m.gone == 0 {
		after.head++
		after.gone = after.head
		add("the service ends the session", after)
	}
	if after := m; m.asked < 0 && m.asks < mostOf {
		after.asked, after.revision = m.now, 0
		after.asks++
		add("the leader sends a heartbeat", after)
	}
	if after := m; m.asked >= 0 && m.revision == 0 {
		after.head++
		after.revision = after.head
		add("the leader's is applied", after)
	}
	if after := m; m.asked >= 0 && m.revision != 0 {
		for i := range after.answers {
			if after.answers[i].revision == 0 {
				after.answers[i] = answer{m.revision, m.asked, m.now}
				break
			}
		}
		after.asked = -1
		add("the leader's is answered", after)
	}
	if after := m; m.asks == 0 && m.head > m.answers[0].revision {
		after.answers[0] = answer{m.head, m.now, m.now}
		add("the leader opens a new session", after)
	}
	return next, names
}

// rates are how clocks may run.
var rates = []float64{0.98, 1, 1.02}

// wrong returns what is wrong if the leader looks now and the answer comes after a delay.
func (m moment) wrong(rule takeoverRule, timeout, leaders time.Duration, delay int8, decisions map[look]time.Duration, sooner *int) string {
	if m.gone == 0 {
		return ""
	}
	params := membership.NewLeaseParams(timeout, 0, timeout)
	counts := m.base
	if m.sent >= 0 && m.applied {
		counts = m.sent // its answer may still arrive
	}
	for _, leader := range rates {
		clock := func(at int8) time.Duration { return time.Duration(float64(time.Duration(at)*unit)*leader) + time.Hour }
		arrived := clock(m.now + delay)
		last, known := m.committedBy(rule, clock, arrived)
		if rule.deletion {
			last = clock(m.now) - timeout
		}
		at := look{known, last, arrived}
		granted, decided := decisions[at]
		if !decided {
			granted = grantedAt(at, timeout, leaders, rule.ownTimeout)
			decisions[at] = granted
		}
		if granted < arrived+timeout {
			*sooner++
		}
		real := time.Duration(float64(granted-time.Hour) / leader)
		for _, member := range rates {
			over := time.Duration(counts)*unit + time.Duration(float64(params.Length)/member)
			if real < over {
				return fmt.Sprintf("%d: the leader looks, is answered at %d, and grants at %v; the lease is over at %v; clocks at %v and %v",
					m.now, m.now+delay, real, over, leader, member)
			}
		}
	}
	return ""
}

// committedBy returns by when the last heartbeat was committed, by a rule and the clock of the leader.
func (m moment) committedBy(rule takeoverRule, clock func(int8) time.Duration, arrived time.Duration) (time.Duration, bool) {
	var shown coord.Revisions
	before, last := clock(0), m.last
	for _, a := range m.answers {
		if a.revision == 0 {
			break
		}
		at := clock(a.shown)
		if rule.fromSend {
			at = clock(a.sent)
		}
		shown.Answered(int64(a.revision), at)
		if a.revision < m.last {
			before = clock(a.shown)
		}
		if rule.fromRead {
			last = min(last, a.revision)
		}
	}
	if rule.fromBefore {
		return before, true
	}
	return shown.CommittedBy(int64(last), int64(m.head), arrived)
}

// look is what a leader knows when it sees that the member is gone: by when the last heartbeat was committed, if it knows that.
type look struct {
	known     bool
	last, now time.Duration
}

// grantedAt returns when a leader decides that the member's slots are free, by its clock.
func grantedAt(l look, timeout, leaders time.Duration, ownTimeout bool) time.Duration {
	now := l.now
	lost := cluster.Duration(timeout)
	if ownTimeout {
		lost = cluster.Duration(leaders)
	}
	memory := round.Memory{}
	for {
		peer := &view.Peer{
			Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{Node: "m", SessionTimeout: lost}, Version: 1, RecAt: 1, Read: now},
			Status:     view.Entry[schema.Status]{Absent: true, Read: now},
			Member:     view.Entry[schema.Member]{Absent: true, Read: now},
		}
		if l.known {
			peer.LastHeartbeat = l.last
		}
		d := reconcile.Decide(round.World{
			Snapshot: &view.Snapshot{
				Epoch: view.Entry[schema.Epoch]{Rec: &schema.Epoch{Term: 1, Leader: "l", NextToken: 1}},
				Peers: map[string]*view.Peer{"m": peer},
			},
			Self: "l", Now: now, TakeoverDelay: coord.OwnTimeout, Timeout: leaders, MaxAssignments: 1, Memory: memory,
		})
		if assignment, touched := d.Assignments["m"]; touched && assignment == nil {
			return now
		}
		now, memory = d.RequeueAt, d.Memory
	}
}

// walkTime visits the moments that can be reached until something is wrong. It returns how many, and how often the leader did not
// have to wait for a whole session timeout after its look.
func walkTime(rule takeoverRule, timeout, leaders time.Duration) (seen, sooner int, story []string) {
	first := moment{head: 1, last: 1, sent: -1, asked: -1}
	type origin struct {
		from moment
		step string
	}
	origins := map[moment]origin{first: {step: "the member has joined"}}
	queue, decisions := []moment{first}, map[look]time.Duration{}
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		for _, delay := range []int8{0, 2} {
			if wrong := m.wrong(rule, timeout, leaders, delay, decisions, &sooner); wrong != "" {
				story = []string{wrong}
				for at := m; ; at = origins[at].from {
					story = append([]string{fmt.Sprintf("%d: %s", origins[at].from.now, origins[at].step)}, story...)
					if at == first {
						return len(origins), sooner, story
					}
				}
			}
		}
		next, names := m.steps()
		for i := range next {
			if _, known := origins[next[i]]; !known {
				origins[next[i]] = origin{m, names[i]}
				queue = append(queue, next[i])
			}
		}
	}
	return len(origins), sooner, nil
}

// No order of events in time makes a leader grant what a member may still run.
func TestTakeoverInTime(t *testing.T) {
	for _, c := range []struct{ member, leader time.Duration }{{4 * unit, 4 * unit}, {4 * unit, 2 * unit}, {3 * unit, 8 * unit}} {
		t.Run(fmt.Sprintf("member %v, leader %v", c.member, c.leader), func(t *testing.T) {
			t.Parallel()
			seen, sooner, story := walkTime(takeoverRule{}, c.member, c.leader)
			if story != nil {
				t.Errorf("after %d moments:\n%s", seen, strings.Join(story, "\n"))
			}
			t.Logf("%d moments; in %d the leader waits less than a session timeout", seen, sooner)
			if sooner == 0 && story == nil {
				t.Error("the last heartbeat never shortens the wait")
			}
		})
	}
}

// With another rule the leader grants too early, and the walk finds how.
func TestTakeoverHolesAreFound(t *testing.T) {
	for _, rule := range []takeoverRule{
		{name: "from the send of the answered request", fromSend: true},
		{name: "from the last answer before it", fromBefore: true},
		{name: "from a heartbeat that was read earlier", fromRead: true},
		{name: "for the leader's timeout", ownTimeout: true},
		{name: "as if the session had been idle for a timeout", deletion: true},
	} {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			seen, _, story := walkTime(rule, 4*unit, 2*unit)
			if story == nil {
				t.Fatalf("%d moments, and nothing is wrong", seen)
			}
			t.Logf("found after %d moments:\n%s", seen, strings.Join(story, "\n"))
		})
	}
}
