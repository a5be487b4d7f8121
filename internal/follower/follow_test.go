package follower_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
)

var since = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// local describes a member: version of its assignment, what that grants and asks back, and what
// runs, with states as in "a#0 running @5".
func local(version int64, slots []schema.Granted, releasing []schema.Releasing, running ...string) follower.Local {
	for i := range slots {
		s := cluster.TaskSpec{Name: slots[i].Task, WorkerNum: 9}
		slots[i].Spec = &s
	}
	l := follower.Local{
		Assignment:        &schema.Assignment{Node: "n", Granted: slots, Releasing: releasing},
		AssignmentVersion: version, AssignmentGood: true,
		Running: map[cluster.Slot]cluster.Report{}, Claims: map[cluster.Slot]schema.Claim{},
		Now: time.Hour, WallNow: since,
	}
	for _, text := range running {
		var slot, state string
		var token int64
		if _, err := fmt.Sscanf(text, "%s %s @%d", &slot, &state, &token); err != nil {
			panic(text)
		}
		var id cluster.Slot
		if err := id.UnmarshalText([]byte(slot)); err != nil {
			panic(text)
		}
		l.Running[id] = cluster.Report{Slot: id, Token: token, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerState(state), Since: since}}
		l.Claims[id] = schema.Claim{Token: token, Since: since}
	}
	return l
}

// said is the status that was written last.
func said(applied int64, holding ...string) *schema.Status {
	s := &schema.Status{Applied: applied, Holding: schematest.Claimed(holding...)}
	for i := range s.Holding {
		s.Holding[i].Since = since
	}
	return s
}

// ended makes the slot a@r#0 one that has run to its end.
func ended(l follower.Local) {
	slot := cluster.Slot{Task: "a@r"}
	r := l.Running[slot]
	r.Ended = true
	l.Running[slot] = r
}

func drawOrders(o follower.Actions) string {
	var b strings.Builder
	for _, slot := range slices.SortedFunc(maps.Keys(o.Stop), cluster.Slot.Compare) {
		fmt.Fprintf(&b, "stop %s: %v\n", slot, o.Stop[slot])
	}
	for _, g := range o.Start {
		fmt.Fprintf(&b, "claim %s @%d\n", g.Slot, g.Token)
	}
	if s := o.Status; s != nil {
		fmt.Fprintf(&b, "say applied %d holding", s.Applied)
		for _, h := range s.Holding {
			fmt.Fprintf(&b, " %s[%s]@%d", h.Task, h.Slots, h.Token)
		}
		for _, w := range s.Workers {
			fmt.Fprintf(&b, "; %s %s", w.Slot, w.State)
		}
		if s.Leaving {
			b.WriteString("; leaving")
		}
		if s.Fenced {
			b.WriteString("; fenced")
		}
		for _, h := range s.Refused {
			fmt.Fprintf(&b, "; refused %s[%s]@%d above %d", h.Task, h.Slots, h.Token, s.Above)
		}
		b.WriteByte('\n')
	}
	if o.Completions != nil {
		for _, e := range o.Completions.Slots {
			fmt.Fprintf(&b, "%s\n", strings.TrimSpace(fmt.Sprintf("note %s[%s]@%d %s", e.Task, e.Slots, e.Token, e.Error)))
		}
	}
	if o.RequeueAt != 0 {
		fmt.Fprintf(&b, "again in %v\n", o.RequeueAt-time.Hour)
	}
	return b.String()
}

func TestFollow(t *testing.T) {
	cases := []struct {
		name string
		make func() follower.Local
		want string
	}{
		{"what is granted is claimed, in one commit", func() follower.Local {
			l := local(3, schematest.Granted("a 0-1 @5", "b 7 @6"), nil)
			l.LastStatus = said(0)
			return l
		}, `
claim a#0 @5
claim a#1 @5
claim b#7 @6
say applied 3 holding a[0-1]@5 b[7]@6
`},
		{"what runs as granted needs no word", func() follower.Local {
			l := local(4, schematest.Granted("a 0 @5"), nil, "a#0 running @5")
			l.LastStatus = said(3, "a 0 @5")
			return l
		}, ``},
		{"what is asked back is stopped, and named until it has", func() follower.Local {
			l := local(4, nil, schematest.Releasing("a 0 @5 v4"), "a#0 running @5")
			l.LastStatus = said(3, "a 0 @5")
			return l
		}, `
stop a#0: slot released
`},
		{"what has stopped is given back", func() follower.Local {
			l := local(4, nil, schematest.Releasing("a 0 @5 v4"))
			l.LastStatus = said(3, "a 0 @5")
			return l
		}, `
say applied 4 holding
`},
		{"a release of what never ran is answered", func() follower.Local {
			l := local(4, nil, schematest.Releasing("a 0 @5 v4"))
			l.LastStatus = said(3)
			return l
		}, `
say applied 4 holding
`},
		{"once", func() follower.Local {
			l := local(6, nil, schematest.Releasing("a 0 @5 v4"))
			l.LastStatus = said(4)
			return l
		}, ``},
		{"another grant of the same slot waits until the old one has stopped", func() follower.Local {
			l := local(9, schematest.Granted("a 0 @8"), nil, "a#0 running @5")
			l.LastStatus = said(3, "a 0 @5")
			return l
		}, `
stop a#0: slot released
`},
		{"what has ended outlasts a lapsed lease, to be recorded when it is back", func() follower.Local {
			l := local(4, schematest.Granted("a@r 0-1 @5"), nil, "a@r#0 done @5", "a@r#1 running @5")
			l.LastStatus, l.Phase = said(4, "a@r 0-1 @5"), membership.SoftStop
			ended(l)
			return l
		}, `
stop a@r#1: lease lost
say applied 4 holding a@r[0-1]@5; fenced
note a@r[0]@5
`},
		{"and is recorded then, not executed again", func() follower.Local {
			l := local(5, schematest.Granted("a@r 0-1 @5"), nil, "a@r#0 done @5")
			l.LastStatus = said(4, "a@r 0-1 @5")
			ended(l)
			return l
		}, `
claim a@r#1 @5
say applied 5 holding a@r[0-1]@5
note a@r[0]@5
`},
		{"unless the slot was given to somebody else meanwhile", func() follower.Local {
			l := local(5, schematest.Granted(), nil, "a@r#0 done @5")
			l.LastStatus = said(4, "a@r 0 @5")
			ended(l)
			return l
		}, `
stop a@r#0: slot released
note a@r[0]@5
`},
		{"or the node leaves without a lease", func() follower.Local {
			l := local(4, schematest.Granted("a@r 0 @5"), nil, "a@r#0 done @5")
			l.LastStatus, l.Phase, l.Leaving = said(4, "a@r 0 @5"), membership.SoftStop, true
			ended(l)
			return l
		}, `
stop a@r#0: lease lost
say applied 4 holding a@r[0]@5; fenced
note a@r[0]@5
`},
		{"a lapsed lease stops everything and claims nothing", func() follower.Local {
			l := local(4, schematest.Granted("a 0-1 @5"), nil, "a#0 running @5")
			l.LastStatus, l.Phase = said(4, "a 0 @5"), membership.SoftStop
			return l
		}, `
stop a#0: lease lost
say applied 4 holding a[0]@5; fenced
`},
		{"after a fence everything is claimed again", func() follower.Local {
			l := local(4, schematest.Granted("a 0-1 @5"), nil)
			l.LastStatus = said(4, "a 0-1 @5")
			l.LastStatus.Fenced = true
			return l
		}, `
claim a#0 @5
claim a#1 @5
say applied 4 holding a[0-1]@5
`},
		{"an assignment that cannot be used grants nothing more", func() follower.Local {
			l := local(4, schematest.Granted("a 0-1 @5"), nil, "a#0 running @5")
			l.LastStatus, l.AssignmentGood = said(4, "a 0 @5"), false
			return l
		}, ``},
		{"a missing assignment stops everything", func() follower.Local {
			l := local(4, nil, nil, "a#0 running @5")
			l.LastStatus, l.Assignment, l.AssignmentGood = said(4, "a 0 @5"), nil, false
			return l
		}, `
stop a#0: slot released
`},
		{"an evicted member claims nothing", func() follower.Local {
			l := local(4, schematest.Granted("a 0 @5"), nil)
			l.LastStatus, l.Assignment.Evicted = said(4), true
			return l
		}, ``},
		{"leaving stops everything", func() follower.Local {
			l := local(4, schematest.Granted("a 0-1 @5"), nil, "a#0 running @5")
			l.LastStatus, l.Leaving = said(4, "a 0 @5"), true
			return l
		}, `
stop a#0: node is leaving
`},
		{"a departure that takes a while is announced", func() follower.Local {
			l := local(4, schematest.Granted("a 0-1 @5"), nil, "a#0 stopping @5")
			l.LastStatus, l.Leaving, l.Announce = said(4, "a 0 @5"), true, true
			return l
		}, `
stop a#0: node is leaving
say applied 4 holding a[0]@5; a#0 stopping; leaving
`},
		{"a status of unknown fate is written again", func() follower.Local {
			return local(4, schematest.Granted("a 0 @5"), nil, "a#0 running @5")
		}, `
say applied 4 holding a[0]@5
`},
		{"slots that stop together are confirmed together", func() follower.Local {
			l := local(5, schematest.Granted("a 2 @5"), schematest.Releasing("a 0-1 @5 v5"), "a#1 stopping @5", "a#2 running @5")
			l.LastStatus = said(4, "a 0-2 @5")
			return l
		}, `
stop a#1: slot released
again in 2.04ms
`},
		{"many take longer to stop", func() follower.Local {
			l := local(5, nil, schematest.Releasing("a 0-999 @5 v5"), "a#999 stopping @5")
			l.LastStatus, l.StopsSince = said(4, "a 0-999 @5"), time.Hour-20*time.Millisecond
			return l
		}, `
stop a#999: slot released
again in 2ms
`},
		{"but are not waited for much longer", func() follower.Local {
			l := local(5, nil, schematest.Releasing("a 0-9999 @5 v5"), "a#9999 stopping @5")
			l.LastStatus = said(4, "a 0-9999 @5")
			return l
		}, `
stop a#9999: slot released
again in 40ms
`},
		{"one that stops later is not waited for", func() follower.Local {
			l := local(5, schematest.Granted("a 2 @5"), schematest.Releasing("a 0-1 @5 v5"), "a#1 stopping @5", "a#2 running @5")
			l.LastStatus, l.StopsSince = said(4, "a 0-2 @5"), time.Hour-2040*time.Microsecond
			return l
		}, `
stop a#1: slot released
say applied 5 holding a[1-2]@5; a#1 stopping
`},
		{"one that is stuck is not waited for", func() follower.Local {
			l := local(5, schematest.Granted("a 2 @5"), schematest.Releasing("a 0-1 @5 v5"), "a#1 stuck @5", "a#2 running @5")
			l.LastStatus = said(4, "a 0-2 @5")
			return l
		}, `
stop a#1: slot released
say applied 5 holding a[1-2]@5; a#1 stuck
`},
		{"states can wait", func() follower.Local {
			l := local(4, schematest.Granted("a 0 @5"), nil, "a#0 backoff @5")
			l.LastStatus, l.LazyAt = said(4, "a 0 @5"), time.Hour-time.Second
			return l
		}, `
again in 4s
`},
		{"but not for ever", func() follower.Local {
			l := local(4, schematest.Granted("a 0 @5"), nil, "a#0 backoff @5")
			l.LastStatus, l.LazyAt, l.Differs = said(4, "a 0 @5"), time.Hour-5*time.Second, time.Hour-4*time.Second
			return l
		}, `
say applied 4 holding a[0]@5; a#0 backoff
`},
		{"what fails together is gathered", func() follower.Local {
			l := local(4, schematest.Granted("a 0-1 @5"), nil, "a#0 backoff @5", "a#1 running @5")
			l.LastStatus = said(4, "a 0-1 @5")
			return l
		}, `
again in 100ms
`},
		{"a first failure is told at once then", func() follower.Local {
			l := local(4, schematest.Granted("a 0-1 @5"), nil, "a#0 backoff @5", "a#1 backoff @5")
			l.LastStatus, l.Differs = said(4, "a 0-1 @5"), time.Hour-100*time.Millisecond
			return l
		}, `
say applied 4 holding a[0-1]@5; a#0 backoff; a#1 backoff
`},
		{"that a worker stops is not told by itself before it takes long", func() follower.Local {
			l := local(4, nil, schematest.Releasing("a 0 @5 v4"), "a#0 stopping @5")
			l.LastStatus, l.LazyAt, l.WallNow = said(4, "a 0 @5"), time.Minute, since.Add(500*time.Millisecond)
			return l
		}, `
stop a#0: slot released
again in 1s
`},
		{"and then is", func() follower.Local {
			l := local(4, nil, schematest.Releasing("a 0 @5 v4"), "a#0 stopping @5")
			l.LastStatus, l.LazyAt, l.Differs, l.WallNow = said(4, "a 0 @5"), time.Minute, time.Hour-time.Second, since.Add(time.Second)
			return l
		}, `
stop a#0: slot released
say applied 4 holding a[0]@5; a#0 stopping
`},
		{"a stuck worker is told at once", func() follower.Local {
			l := local(4, nil, schematest.Releasing("a 0 @5 v4"), "a#0 stuck @5")
			l.LastStatus, l.LazyAt = said(4, "a 0 @5"), time.Hour
			return l
		}, `
stop a#0: slot released
say applied 4 holding a[0]@5; a#0 stuck
`},
		{"what is refused is not claimed, and told at once", func() follower.Local {
			l := local(5, schematest.Granted("a 0 @5", "b 0-1 @8"), nil, "b#1 running @8")
			l.Refused, l.Above = map[cluster.Slot]int64{{Task: "a", Index: 0}: 5}, 9
			l.LastStatus = said(4, "b 1 @8")
			return l
		}, `
claim b#0 @8
say applied 5 holding b[0-1]@8; refused a[0]@5 above 9
`},
		{"a refused slot that runs still goes on stopping", func() follower.Local {
			l := local(5, schematest.Granted("a 0 @5"), nil, "a#0 stopping @5")
			l.Refused, l.Above = map[cluster.Slot]int64{{Task: "a", Index: 0}: 5}, 9
			l.LastStatus = said(4, "a 0 @5")
			return l
		}, `
stop a#0: slot released
say applied 5 holding a[0]@5; a#0 stopping; refused a[0]@5 above 9
`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), drawOrders(follower.Follow(c.make()))); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
		})
	}
}

// A first failure is told within a moment, also right after the claim, and a crash loop writes no more than one status in
// five seconds, however fast it turns.
func TestFailuresAreToldAtOnceAndNotTooOften(t *testing.T) {
	l := local(4, schematest.Granted("a 0 @5"), nil, "a#0 running @5")
	l.LastStatus, l.LazyAt = said(4, "a 0 @5"), l.Now-time.Minute
	slot, began := cluster.Slot{Task: "a"}, l.Now
	var first time.Duration
	writes := 0
	for ; l.Now < began+time.Minute; l.Now += 20 * time.Millisecond {
		l.WallNow = since.Add(l.Now - began)
		r := l.Running[slot]
		r.State, r.Since, r.Restarts = cluster.WorkerBackoff, l.WallNow, r.Restarts+1
		l.Running[slot] = r
		o := follower.Follow(l)
		switch {
		case !o.Differs:
			l.Differs = 0
		case l.Differs == 0:
			l.Differs = l.Now
		}
		if o.Status == nil {
			continue
		}
		l.LastStatus = o.Status
		if !o.Lazy {
			t.Fatal("it could have waited")
		}
		writes++
		if writes == 1 {
			first = l.Now - began
		}
		l.LazyAt = l.Now
	}
	if first > 200*time.Millisecond || writes > 13 {
		t.Errorf("told after %v, and %d times in a minute", first, writes)
	}
}

// Whatever workers fail with, the status stays far below what the store takes.
func TestStatusStaysSmall(t *testing.T) {
	l := local(4, nil, nil)
	for i := range 5000 {
		slot := cluster.Slot{Task: strings.Repeat("t", 128), Index: i}
		l.Running[slot] = cluster.Report{Slot: slot, Token: int64(i), WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff, Restarts: 1e6, Since: since, Error: strings.Repeat("é", 500)}}
		l.Claims[slot] = schema.Claim{Token: 5, Since: since}
	}
	status := follower.Follow(l).Status
	if b := schema.Encode(status, 9); len(b) > 200<<10 {
		t.Errorf("%d bytes", len(b))
	}
	if first := status.Workers[0].Error; len(first) != 1000 {
		t.Errorf("the first error is cut to %d bytes", len(first))
	}
}

// A worker is told the count of its grant, whatever its task declares by now.
func TestFollowTellsTheCountOfTheGrant(t *testing.T) {
	l := local(4, schematest.Granted("a 0 @5", "a 1 @6", "b 0 @7"), schematest.Releasing())
	l.Assignment.Granted[0].Count, l.Assignment.Granted[2].Count = new(4), new(0)
	want := []int{4, 9, 0} // the second one was written by an earlier program
	for i, g := range follower.Follow(l).Start {
		if g.Count != want[i] || g.Spec.WorkerNum != 9 {
			t.Errorf("%s is told %d of %d, want %d", g.Slot, g.Count, g.Spec.WorkerNum, want[i])
		}
	}
}

// Where not all states can be told, those are that need somebody, whatever the names of their tasks.
func TestWhoNeedsSomebodyIsTold(t *testing.T) {
	l := local(4, nil, nil)
	add := func(task string, index int, state cluster.WorkerState, failure string) {
		slot := cluster.Slot{Task: task, Index: index}
		l.Running[slot] = cluster.Report{Slot: slot, Token: 5, WorkerStatus: cluster.WorkerStatus{State: state, Since: since, Error: failure}}
		l.Claims[slot] = schema.Claim{Token: 5, Since: since}
	}
	for i := range 600 {
		add("a", i, cluster.WorkerRunning, cluster.ReturnsAtOnce)
	}
	add("z", 0, cluster.WorkerStuck, "")
	add("z", 1, cluster.WorkerGivenUp, "boom")
	o := follower.Follow(l)
	if o.Status == nil {
		t.Fatal("nothing is told")
	}
	told := map[cluster.Slot]cluster.WorkerState{}
	for _, w := range o.Status.Workers {
		told[w.Slot] = w.State
	}
	if told[cluster.Slot{Task: "z"}] != cluster.WorkerStuck || told[cluster.Slot{Task: "z", Index: 1}] != cluster.WorkerGivenUp {
		t.Errorf("of %d states told, z#0 is %q and z#1 %q", len(told), told[cluster.Slot{Task: "z"}], told[cluster.Slot{Task: "z", Index: 1}])
	}
}

// A worker gets the spec of its task if that differs from its own, and not each time that the assignment is read: a node may run thousands.
func TestFollowUpdatesChangedSpecs(t *testing.T) {
	l := local(4, schematest.Granted("a 0-1 @5"), nil, "a#0 running @5", "a#1 running @5")
	l.LastStatus = said(4, "a 0-1 @5")
	same, older := *l.Assignment.Granted[0].Spec, *l.Assignment.Granted[0].Spec
	older.WorkerNum = 8
	for i, spec := range []*cluster.TaskSpec{&same, &older} {
		slot := cluster.Slot{Task: "a", Index: i}
		r := l.Running[slot]
		r.Spec = spec
		l.Running[slot] = r
	}
	want := map[cluster.Slot]cluster.TaskSpec{{Task: "a", Index: 1}: same}
	if diff := cmp.Diff(want, follower.Follow(l).Update); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
}
