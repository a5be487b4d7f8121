package mutants_test

import (
	"fmt"
	"slices"
	"strings"
)

// mutant opens a hole.
type mutant struct {
	hole    string
	name    string // what is no longer done
	changes []change
	test    redTest
}

// change replaces lines of a file.
type change struct{ file, old, new string }

// redTest is the shortest test that has to go red.
type redTest struct {
	pkg, name string
	args      []string
}

func (t redTest) String() string {
	return strings.TrimSpace(fmt.Sprintf("`%s`, `%s` %s", t.pkg, t.name, strings.Join(t.args, " ")))
}

// simulated is a number of simulated histories.
func simulated(mode string, seeds int) redTest {
	return redTest{"test/sim", "Test" + mode, []string{"-seeds", fmt.Sprint(seeds)}}
}

func in(pkg, name string) redTest { return redTest{pkg: pkg, name: name} }

func one(file, old, new string) []change { return []change{{file, old, new}} }

// unguarded takes out the guards of a leader's commit that cover for the epoch.
var unguarded = []change{
	{"internal/leader/commits.go", "		coord.Check(c.term.Candidate, 0),\n", ""},
	{"internal/leader/publish.go", "	ring := l.commits.ring.record(epoch, d.Steps)\n	ops = append(ops, ring...)\n", "	ring := []coord.Op(nil)\n"},
	{"internal/leader/commits.go", "	c.view.PutEpoch(epoch, snap.Epoch.Version+1)\n	c.nextToken", "	c.view.PutEpoch(epoch, snap.Epoch.Version)\n	c.nextToken"},
}

var mutants = []mutant{
	{
		"H1", "a heartbeat proves the lease by itself",
		one("coord/renewals.go", "r.base, r.sent, r.answered = r.sent, sent, answered", "r.base, r.sent, r.answered = sent, sent, answered"),
		in("coord/mem", "TestLeaseAfterASilence"),
	},
	{
		"H1", "the second heartbeat is counted from the first one's send",
		one("coord/renewals.go", "if sent-r.answered >= r.Spacing {", "if sent-r.sent >= r.Spacing {"),
		in("coord", "TestRenewals"),
	},
	{
		"H1", "heartbeats prove the lease without a commit, as pings would",
		one("coord/renewals.go", `	if _, err := s.Commit(ctx, op); err != nil {
`, `	go func() { _, _ = s.Commit(ctx, op) }()
	if _, err := s.Get(ctx, op.Key); err != nil {
`),
		simulated("Safety", 300),
	},
	{
		"H2", "a leader's commits do not check that it leads: not its candidate key, not the epoch, not the number of the decision",
		slices.Concat(unguarded, []change{
			{"internal/leader/commits.go", "		coord.Set(c.Keys.Epoch(), schema.Encode(&epoch, at+1), at),\n", ""},
			{"internal/leader/commits.go", "	epoch.NextDecision = c.ring.next(snap) + 1\n	at := snap.Epoch.Version\n", "	epoch.NextDecision = c.ring.next(snap) + 1\n"},
		}),
		in("test/cluster", "TestLateCommitOfADeposedLeader"),
	},
	{
		"H2", "a connection to ZooKeeper whose session has ended goes on with a new one",
		[]change{
			{"coord/zk/session.go", "	case zk.StateExpired, zk.StateAuthFailed:\n", "	case zk.StateAuthFailed:\n"},
			{"coord/zk/session.go", "	case other: // one connection is one session\n		ss.end(fmt.Errorf(\"server answered with another session\"))\n", "	case other:\n"},
		},
		in("coord/zk", "TestConformance/expired_session_ends_and_writes_nothing"),
	},
	{
		"H3", "leaders check the epoch in their commits and do not write it",
		slices.Concat(unguarded, []change{
			{"internal/leader/commits.go", "		coord.Set(c.Keys.Epoch(), schema.Encode(&epoch, at+1), at),\n", "		coord.Check(c.Keys.Epoch(), at),\n"},
			{"internal/election/election.go", "			coord.Set(e.keys.Epoch(), schema.Encode(&epoch, r.Version+1), r.Version),\n", "			coord.Check(e.keys.Epoch(), r.Version),\n"},
			{"internal/election/election.go", "Epoch: epoch, Version: r.Version + 1}", "Epoch: epoch, Version: r.Version}"},
		}),
		in("test/cluster", "TestLateCommitOfADeposedLeader"),
	},
	{
		"H4", "a worker starts before its claim is committed",
		one("internal/follower/status.go", "	claim := len(o.Start) > 0 && phase == membership.LeaseValid\n", "	claim := len(o.Start) > 0 && phase == membership.LeaseValid\n	fl.start(o.Start, o.Status)\n"),
		in("test/cluster", "TestLateClaimIsRefused"),
	},
	{
		"H5", "a member is named after its node",
		one("internal/nodesession/runner.go", "m.MemberID = membership.NewMemberID()", "m.MemberID = m.Node"),
		in("test/cluster", "TestLongCutFencesAndMoves"),
	},
	{
		"H6", "a status outlives its session",
		one("internal/membership/membership.go", "coord.CreateBound(keys.Status(m.MemberID)", "coord.Create(keys.Status(m.MemberID)"),
		in("test/cluster", "TestLostNodeIsReplacedAfterItsSession"),
	},
	{
		"H6", "a release ends on a status that was written before it",
		one("internal/reconcile/round/facts.go", "return status.Applied >= h.Version && schema.Find", "return schema.Find"),
		simulated("Safety", 300),
	},
	{
		"H8", "the lease is not checked between claim and start",
		one("internal/follower/status.go", "		if phase != membership.LeaseValid || fl.leaving {\n", "		if phase > 99 || fl.leaving {\n"),
		in("test/cluster", "TestNothingStartsWithoutALease"),
	},
	{
		"H9", "a worker that asks for its lease gets the answer from before the pause",
		one("internal/membership/lease.go", "	phase, _ := l.Phase()\n	return phase < HardStop\n", "	return true\n"),
		simulated("Safety", 300),
	},
	{
		"H10", "processes that a dead node has started live on",
		one("internal/supervise/supervise.go", "		left := p.killTree(c.pid)\n", "		left := 0\n"),
		in("test/e2e", "TestTreeOfDeadNodeIsKilled"),
	},
	{
		"H10", "a listing of the process table that shows nothing counts as proof",
		one("internal/supervise/tree_linux.go", "			return max(left, 1)\n", "			return left\n"),
		in("internal/supervise", "TestTreeIsEmptyWhenTheKernelSaysSo"),
	},
	{
		"H10", "the process group of a dead child is killed although its number may belong to another one",
		one("internal/supervise/child.go", "	if !c.ended {\n", "	if c.pid != 0 {\n"),
		in("internal/supervise", "TestTheGroupOfAnEndedChildIsNotKilled"),
	},
	{
		"H11", "a parent judges its child before it has read the child's reports",
		one("internal/supervise/child.go", "	if c.reports != nil {\n", "	if c.pid < 0 {\n"),
		in("internal/supervise", "TestWhatThePipeHoldsIsHeardBeforeAJudgement"),
	},
	{
		"H11", "a parent does not kill a child that hangs",
		one("internal/supervise/child.go", "	return !v.Idle || time.Since(c.heard) >= maxSilence\n", "	return false\n"),
		in("internal/supervise", "TestLapsed"),
	},
	{
		"H12", "the clock of the lease stops while the machine sleeps",
		one("coord/clock.go", "		return max(offset+mono(), boot())\n", "		return offset + mono()\n"),
		in("coord", "TestLeaseClockCountsSleep"),
	},
	{
		"H14", "workers are stopped when the session is over, not before",
		one("internal/membership/lease.go", "Length:            timeout * 95 / 100,", "Length:            timeout * 130 / 100,"),
		simulated("Safety", 100),
	},
	{
		"H14", "a process with a worker that does not stop lives on",
		one("internal/follower/watchdog.go", "			if atHardStop > 1 {", "			if atHardStop < 0 {"),
		simulated("Safety", 100),
	},
	{
		"H14", "a process that was paused again just after it had woken gets no time to stop its workers",
		one("internal/follower/watchdog.go", "if !woke && (paused || last == membership.LeaseValid) {", "if !woke && last == membership.LeaseValid {\n\t\t\t\t_ = paused"),
		in("internal/follower", "TestPausesAroundTheHardStop"),
	},
	{
		"H14", "a process that is paused again and again is never ended",
		one("internal/follower/watchdog.go", "				atHardStop, woke = -4, true\n", "				atHardStop = -4\n"),
		in("internal/follower", "TestPausesAroundTheHardStop"),
	},
	{
		"H15", "a node joins again while old workers still stop",
		one("internal/nodesession/session.go", "	if gerr := <-p.guarded; gerr != nil {\n		return s.abandon(pool, gerr)\n	}\n	if len(pool.Reports()) > 0 {\n		s.runner.detached = pool\n	}\n	pool.Flush(flushLimit)\n	return err\n", "	go func() { <-p.guarded }()\n	return err\n"),
		simulated("Safety", 200),
	},
	{
		"H16", "a parent closes the member while its processes may run",
		one("internal/supervise/supervise.go", "		d.late = true // the member is not closed: its slots wait for the session timeout\n", ""),
		in("internal/supervise", "TestUnkillableTreeIsNotClosed"),
	},
	{
		"H17", "two nodes of one name may join",
		one("internal/membership/membership.go", "coord.CreateBound(keys.Name(m.Node), schema", "coord.CreateBound(keys.Name(m.Node)+m.MemberID, schema"),
		in("test/cluster", "TestNameIsRefusedWhileHeld"),
	},
	{
		"H18", "a member that was absent before its assignment was read counts as gone",
		one("internal/reconcile/members/members.go", `		if p.Member.Read < assignment.Read || p.Status.Read < assignment.Read {
`, `		if p.Member.Read < 0 {
`),
		in("internal/reconcile", "TestAbsentBeforeItsAssignmentProvesNothing"),
	},
	{
		"H18", "a leader that leaves grants itself slots until it has read that it leaves",
		one("internal/reconcile/members/members.go", "\tcase memberID == d.Self && d.Leaving:", "\tcase memberID == d.Self && d.World.Leaving && p.Status.Rec.Leaving:"),
		in("internal/reconcile", "TestALeaderThatLeavesGivesItselfNothing"),
	},
	{
		"H19", "a claim of unknown outcome counts as committed",
		one("internal/follower/status.go", "	case r.err != nil:\n		failed", "	case r.err != nil && !errors.Is(r.err, coord.ErrUnknown):\n		failed"),
		simulated("Safety", 100),
	},
	{
		"H19", "a status whose write has an unknown outcome is written again without reading it",
		one("internal/follower/status.go", "		fl.unsure, fl.lastStatus = true, nil\n		fl.doneUnsure", "		fl.lastStatus = nil\n		fl.doneUnsure"),
		simulated("Liveness", 300),
	},
	{
		"H20", "a leader forgets an assignment that has vanished",
		one("internal/reconcile/members/members.go", `	d.draft.Block("the assignment of " + d.NodeName(memberID) + " is missing")
	if p.Live() {`, `	d.draft.Out.Forget = append(d.draft.Out.Forget, memberID)
	if p.Live() {
		return Unknown
	}
	if p.Live() {`),
		in("test/cluster", "TestDeletedAssignment.*"),
	},
	{
		"H20", "a node whose assignment is missing runs on",
		one("internal/follower/assignment.go", "		fl.assignment, fl.assignmentGood = nil, false\n		return\n", "		return\n"),
		in("test/cluster", "TestNodeWithoutAnAssignmentStops"),
	},
	{
		"H21", "a member counts as gone when one of its keys is missing",
		one("internal/reconcile/members/members.go", `	case p.Member.Absent && p.Status.Absent:
		if p.Member.Read <`, `	case p.Member.Absent || p.Status.Absent:
		if p.Member.Read <`),
		simulated("Safety", 300),
	},
	{
		"H21", "keys of an unknown member block all grants for ever",
		one("internal/reconcile/members/members.go", "d.TakeoverDelayOf(memberID), p.Assignment.Read) {", "d.TakeoverDelayOf(memberID), p.Assignment.Read) && false {"),
		in("test/cluster", "TestStrayMember"),
	},
	{
		"leader", "a stray member key stays when it has keys below it",
		one("internal/leader/sweep.go", "\n		s.Keys.Members(), schema.Dir(s.Keys.Status(\"\")), ", "\n		schema.Dir(s.Keys.Status(\"\")), "),
		in("test/cluster", "TestStrayMember"),
	},
	{
		"H21", "a member that lost one key to a person's hand is left as it is",
		one("internal/reconcile/members/members.go", "\tif d.confirmedAfter(memberID, p.Assignment.Version, anyDelay, there) {", "\tif d.confirmedAfter(memberID, p.Assignment.Version, anyDelay, there) && false {"),
		in("internal/reconcile", "TestOneKeyDeletedByHand"),
	},
	{
		"H22", "a program joins a cluster whose protocol it does not speak",
		one("internal/membership/membership.go", "if meta.Protocol != schema.Protocol {", "if meta.Protocol < 0 {"),
		simulated("Safety", 30),
	},
	{
		"H22", "fields of a record that this version does not know are dropped",
		one("internal/schema/fields/fields.go", "		member(name, unknown[name])\n", "		_ = name\n"),
		in("internal/schema", "Test.*"),
	},
	{
		"H23", "a lease has no margin for clocks that run fast or slow",
		one("internal/membership/lease.go", "Length:            timeout * 95 / 100,", "Length:            timeout,"),
		in("internal/membership", "TestTerms"),
	},
	{
		"H24", "a member's slots are granted elsewhere the moment it is seen gone",
		one("internal/reconcile/members/members.go", "if d.leaseOverAfter(memberID, assignment.Version, d.TakeoverDelayOf(memberID), min(p.Member.Read, p.Status.Read)) {", "if d.leaseOverAfter(memberID, assignment.Version, 0, min(p.Member.Read, p.Status.Read)) {"),
		simulated("Safety", 300),
	},
	{
		"H24", "etcd is trusted never to end a lease that is being renewed",
		one("coord/etcd/store.go", "TakeoverDelay: coord.OwnTimeout,", "TakeoverDelay: time.Second,"),
		in("coord/etcd", "TestTakeoverDelayOutlastsALease"),
	},
	{
		"H24", "an unsafe etcd server is used when it appears after the start",
		one("coord/etcd/session.go", "		all := len(s.probed) == len(s.cfg.Endpoints)\n", "		all := len(s.probed) > 0\n"),
		in("coord/etcd", "TestBadVersionComesLater"),
	},
	{
		"H24", "a leader waits for a lost member as long as its own session timeout, not the member's",
		one("internal/reconcile/round/facts.go", `		return f.TimeoutOf(memberID)
	}
	return f.TakeoverDelay
`, `		return f.Timeout
	}
	return f.TakeoverDelay
`),
		in("test/cluster", "TestEarlyEndOfALongerSession"),
	},
	{
		"H24", "a lease counts from the last answer that does not show the last heartbeat yet",
		one("coord/revisions.go", "	return r.answers[first].at, true\n", "	return r.answers[max(first-1, 0)].at, true\n"),
		in("test/explore", "TestTakeoverInTime"),
	},
	{
		"H24", "the same in the simulator: a lease counts from an answer that does not show the last heartbeat",
		one("coord/revisions.go", "	return r.answers[first].at, true\n", "	return r.answers[max(first-1, 0)].at, true\n"),
		simulated("Safety", 100),
	},
	{
		"H24", "a lease counts from the last answer, whatever it shows",
		one("coord/revisions.go", "		return now, true\n", "		return append([]revisionAt{{at: now}}, r.answers...)[first].at, true\n"),
		in("test/explore", "TestTakeoverInTime"),
	},
	{
		"H24", "etcd: an answer counts from the send of its request",
		one("coord/etcd/session.go", "	ss.answers.Answered(revision, answered)\n", "	ss.answers.Answered(revision, min(sent, answered))\n"),
		in("coord/etcd", "TestLastWriteCountsFromTheAnswer"),
	},
	{
		"H24", "in memory: an answer counts from the send of its request",
		one("coord/mem/session.go", "	ss.answers.Answered(renewal.revision, answered)\n", "	ss.answers.Answered(renewal.revision, sent)\n"),
		in("coord/mem", "TestLastWriteCountsFromTheAnswer"),
	},
	{
		"H24", "revisions from before and after a loss of history are compared",
		one("coord/revisions.go", "r.answers[n-1].revision > head || revision > head {", "r.answers[n-1].revision > head && revision > head {"),
		in("coord", "TestRevisions"),
	},
	{
		"H24", "revisions from before a loss of history are remembered",
		one("coord/revisions.go", "			r.answers = nil\n", "			return\n"),
		in("coord", "TestRevisions"),
	},
	{
		"H24", "etcd: a key that did not exist yet counts as deleted before",
		one("coord/etcd/history.go", "	if there == 0 || absent-there > 1 {\n		return 0, head, coord.ErrNoHistory\n", "	if there == 0 || absent-there > 1 {\n		return least, head, nil\n"),
		in("coord/etcd", "TestLastWriteAmongMany"),
	},
	{
		"H24", "etcd: the last write is one that was read, not the last before the deletion",
		slices.Concat(
			one("coord/etcd/history.go", "	for back := int64(1); absent-max(there, unknown) > 1; back *= 2 {", "	for back := int64(1); there == 0 && absent-unknown > 1; back *= 2 {"),
			one("coord/etcd/history.go", "	if there == 0 || absent-there > 1 {", "	if there == 0 {"),
		),
		in("coord/etcd", "TestLastWriteAmongMany"),
	},
	{
		"H24", "etcd: the last write of a key that exists bounds its lease",
		one("coord/etcd/history.go", "	if len(now.Kvs) > 0 {\n		return 0, head, coord.ErrNoHistory\n", "	if len(now.Kvs) > 0 {\n		return now.Kvs[0].ModRevision, head, nil\n"),
		in("coord/etcd", "TestConformance/last_write_of_a_deleted_key"),
	},
	{
		"H24", "a member is given up by its last heartbeat as if its session timeout were the leader's",
		one("internal/reconcile/members/members.go", "leaseOver = last + d.TimeoutOf(memberID)", "leaseOver = last + d.Timeout"),
		in("internal/reconcile", "TestTheLastHeartbeatEndsTheWait"),
	},
	{
		"H24", "the last heartbeat ends the wait for a member whose other keys are there",
		one("internal/reconcile/members/members.go", `	if d.confirmedAfter(memberID, p.Assignment.Version, anyDelay, there) {
		d.evict(memberID)
	}
	return Lost`, `	if d.leaseOverAfter(memberID, p.Assignment.Version, anyDelay, there) {
		return Reapable
	}
	return Lost`),
		in("internal/reconcile", "TestTheLastHeartbeatEndsTheWait"),
	},
	{
		"leader", "a lost machine costs two session timeouts on etcd",
		one("internal/view/read.go", "v.readLastHeartbeats(ctx, b)", "error(nil)"),
		in("test/cluster", "TestLostMachineCostsOneTimeout"),
	},
	{
		"H24", "an evicted member's slots do not wait for its lease",
		one("internal/reconcile/members/members.go", `		if d.leaseOverAfter(memberID, assignment.Version, d.TimeoutOf(memberID)+d.TakeoverDelayOf(memberID), d.Now) {
			return Reapable
		}
		return Lost
	case p.Member.Absent && p.Status.Absent:`, `		return Reapable
	case p.Member.Absent && p.Status.Absent:`),
		in("test/cluster", "TestDeletedAssignment.*"),
	},
	{
		"H25", "a plan is one commit, however large",
		one("internal/reconcile/grants.go", "touched || !draft.Full() && !d.claims(memberID) {", "touched || !d.claims(memberID) {"),
		in("internal/reconcile", "TestChunks"),
	},
	{
		"H26", "slots that nodes had before an outage are assigned again",
		one("internal/reconcile/members/members.go", "case p.Status.Rec.Leaving:", "case p.Status.Rec.Leaving || p.Status.Rec.Fenced:"),
		in("test/cluster", "TestOutageResumesUnderTheSameTokens"),
	},
	{
		"H27", "a slot that is no longer wanted is free at once",
		one("internal/reconcile/release.go", `			assignment.Releasing = append(assignment.Releasing, asked[i].Releasing)
`, `			_ = i
`),
		simulated("Safety", 30),
	},
	{
		"H28", "a session whose join may have happened is left open",
		one("internal/nodesession/runner.go", "		if cerr := session.Close(); cerr != nil {\n			r.cfg.Log.Warn(\"session not closed in order\", \"error\", cerr)\n		}\n", ""),
		in("test/cluster", "TestJoinWithoutAnAnswer"),
	},
	{
		"H29", "tokens begin again when an old copy of the store is restored",
		one("internal/election/election.go", "	return meta.TokenFloor\n", "	return 0\n"),
		in("test/cluster", "TestTokensAreAboveTheFloor"),
	},
	{
		"former", "a running slot that a person took out of an assignment is not listed again",
		one("internal/reconcile/release.go", `	adopted := assignment.Adopt(peer.Status.Rec.Holding, version)
`, `	adopted := assignment.Adopt(nil, version)
`),
		in("internal/reconcile", "TestRecall"),
	},
	{
		"leader", "a member with two candidate keys keeps both",
		one("internal/election/election.go", "	for _, key := range e.spare {\n", "	for _, key := range e.spare[:0] {\n"),
		in("internal/election", "TestTwoCandidateKeysOfOneMember"),
	},
	{
		"leader", "a member that gives up leading deletes only one of its candidate keys",
		one("internal/election/standing.go", "range append(e.spare, e.own) {\n", "range append(e.spare[:0], e.own) {\n"),
		in("internal/election", "TestWhoGivesUpWithdrawsAllKeys"),
	},
	{
		"leader", "a member whose term the service refuses leaves the cluster",
		one("internal/election/election.go", "	}, coord.ErrRefused)\n	return term, err\n", "	})\n	return term, err\n"),
		in("internal/election", "TestRefusedTermIsTriedAgain"),
	},
	{
		"leader", "a member that could not begin a term reports that for ever",
		one("internal/election/election.go", "		e.blocked(nil)       // the leader reports that now\n", ""),
		in("internal/election", "TestBlockedEnds"),
	},
	{
		"leader", "a member stands for ever with a candidate key that somebody else has written",
		one("internal/election/election.go", "	case r.Version != 0 || r.Session != e.session.Info().ID:\n", "	case r.Version < 0:\n"),
		in("test/cluster", "TestCandidateIsTouched"),
	},
	{
		"leader", "a candidate key is deleted at its first version only",
		one("internal/election/standing.go", "			ops = append(ops, coord.Delete(key, r.Version))\n", "			ops = append(ops, coord.Delete(key, 0*r.Version))\n"),
		in("test/cluster", "TestCandidateIsTouched"),
	},
	{
		"leader", "members wait for a stray candidate key",
		one("internal/election/election.go", "	if !stray {\n		return false, nil\n", "	if memberID != \"\" {\n		return false, nil\n"),
		in("test/cluster", "TestStrayCandidate"),
	},
	{
		"leader", "a stray candidate key stays when it has keys below it",
		one("internal/election/election.go", "	if errors.Is(err, coord.ErrInvalid) { //", "	if errors.Is(err, coord.ErrTooLarge) { //"),
		in("test/cluster", "TestStrayCandidate"),
	},
	{
		"leader", "a member whose candidate key has a key below it leaves the cluster",
		one("internal/election/standing.go", "	}, coord.ErrRefused, coord.ErrInvalid)\n", "	}, coord.ErrRefused)\n"),
		in("test/cluster", "TestCandidateOfAHandWithAKeyBelow"),
	},
	{
		"leader", "a member that gave up leading leaves it to others although there are none",
		one("internal/election/standing.go", "now < end && now-alone < giveUpAlone", "now < end && now-alone < standAgain.Max"),
		in("test/cluster", "TestAllHaveGivenUp"),
	},
	{
		"leader", "keys that a person created below a record of the leader's keep that record from being deleted",
		one("internal/leader/publish.go", " && !l.sweeper.mustGo(failed.Op.Key):", ":"),
		in("test/cluster", "TestKeysBelowRecords"),
	},
	{
		"leader", "a decision whose number is taken is tried again under that number",
		one("internal/leader/ring.go", "			n = max(n, kept+1)\n", ""),
		in("test/cluster", "TestDecisionsThatExist"),
	},
	{
		"leader", "a leader whose commits are refused again and again goes on leading",
		one("internal/leader/publish.go", "	if l.failures >= maxRefused {\n", "	if l.failures < 0 {\n"),
		in("test/cluster", "TestLeaderIsRefused"),
	},
	{
		"leader", "a leader that hangs goes on leading",
		one("internal/leader/vigil.go", "lasts >= hang {", "lasts >= hang && lasts < 0 {"),
		in("test/cluster", "TestDecisionHangs"),
	},
	{
		"leader", "a member whose decision hangs becomes a candidate again",
		one("internal/leader/vigil.go", "	return &election.GiveUp{Err: why, Until: returned}\n", "	return &election.GiveUp{Err: why}\n"),
		in("test/cluster", "TestDecisionHangs"),
	},
	{
		"leader", "a panic of a decision ends the process",
		[]change{
			{"internal/leader/leader.go", "	err = election.Catch(\"leading\", func() error {\n", "	err = func() error {\n"},
			{"internal/leader/leader.go", "		return nil\n	})\n	if panicked", "		return nil\n	}()\n	if panicked"},
			{"internal/leader/vigil.go", "		err = election.Catch(\"leading\", func() error { return lead.run(ctx) })\n", "		err = lead.run(ctx)\n"},
		},
		in("test/cluster", "TestDecisionPanics"),
	},
	{
		"leader", "a panic of the follower ends the process",
		one("internal/election/panic.go", "		if r := recover(); r != nil {\n", "		if r := any(nil); r != nil {\n"),
		in("test/cluster", "TestFollowerPanics"),
	},
	{
		"leader", "a leader without a lease goes on leading",
		one("internal/leader/vigil.go", "			if now-reached < without {\n", "			if now-reached < without || now >= 0 {\n"),
		in("test/cluster", "TestDeafLeader"),
	},
	{
		"leader", "a member that the service hears but that hears nothing keeps its session",
		one("internal/membership/maintain.go", "info.Unanswered && s.Now() >=", "info.Unanswered && s.Now() < 0 && s.Now() >="),
		in("test/cluster", "TestDeafFollower"),
	},
	{
		"leader", "a member that proves nothing is shown as working",
		one("internal/view/heard.go", "timeout > 0 && b.read-b.since >= timeout {", "timeout < 0 && b.read-b.since >= timeout {"),
		in("test/cluster", "TestDeafLeader"),
	},
	{
		"leader", "ended slots are lost with their member when the agenda cannot be read",
		one("internal/reconcile/members/reap.go", `		case pending.KeepsAssignment(p.Assignment.Rec):
`, `		case pending.KeepsAssignment(nil):
`),
		in("internal/reconcile", "TestEndsWaitForTheirAgenda"),
	},
	{
		"leader", "slots that run nowhere wait for the agenda of another task",
		one("internal/reconcile/members/reap.go", `			closeAwaiting(f, memberID, p, pending, draft)
`, ""),
		in("internal/reconcile", "TestEndsWaitForTheirAgenda"),
	},
	{
		"leader", "the next leader waits again for a gone member whose assignment was trimmed",
		one("internal/reconcile/members/reap.go", `	assignment.Closed = &closed
`, `	_ = closed
`),
		in("internal/reconcile", "TestEndsWaitForTheirAgenda"),
	},
	{
		"leader", "a leaving member waits until checkpoints of forgotten runs are deleted",
		one("internal/reconcile/decide.go", "		w.KeepRuns = true\n", ""),
		in("internal/reconcile", "TestForgettingRunsMakesNobodyWait"),
	},
	{
		"leader", "a slot that was read before and after one commit is reported as granted twice",
		one("internal/leader/report.go", "r.doubtful[slot] != seen[slot] {\n", "r.doubtful[slot] != seen[slot] && seen == nil {\n"),
		in("internal/leader", "TestDoublesAreToldWhenTheyLast"),
	},
	{
		"leader", "tokens are granted that later tokens do not exceed",
		one("internal/reconcile/grants.go", "\tif !schema.PlausibleToken(draft.Out.Token + spare) {", "\tif !schema.PlausibleToken(draft.Out.Token/4 + spare) {"),
		in("internal/reconcile", "TestDecide/the_counter_is_beyond_the_tokens_that_others_rise_above"),
	},
	{
		"resize", "free slots get an old count although assignments disagree about it",
		one("internal/reconcile/barriers.go", "!known || seen && old != count {", "!known || seen && old != count && count < 0 {"),
		in("internal/reconcile", "TestFreeSlotsBeforeABarrier"),
	},
	{
		"resize", "a leaving member waits for the last worker of the old count elsewhere",
		one("internal/reconcile/barriers.go", "round.OfResize(h) && stays &&", "round.OfResize(h) && (stays || memberID != \"\") &&"),
		in("internal/reconcile", "TestLeavingDoesNotWaitForABarrier"),
	},
	{
		"resize", "a delayed slot holds a barrier up",
		one("internal/reconcile/barriers.go", ` && of.delay.Code == ""
`, `
`),
		in("internal/reconcile", "TestLostWithinABarrier"),
	},
	{
		"resize", "a slot is granted while workers of another count may run",
		one("internal/reconcile/grants.go", "\t\tif old, is := barred[name]; is {", "\t\tif old, is := barred[name]; is && d.Rank == nil {"),
		in("internal/reconcile", "TestResizeIsABarrier"),
	},
	{
		"resize", "only granted slots count for a barrier, not releasing ones that may still run",
		one("internal/reconcile/barriers.go", `		for entry := range f.Entries(memberID, assignment) {
			task := entry.Range().Task
`, `		for entry := range f.Entries(memberID, assignment) {
			if r, asked := entry.(*schema.Releasing); asked && r.Version > 0 {
				continue
			}
			task := entry.Range().Task
`),
		simulated("Safety", 100),
	},
	{
		"resize", "slots of the old count are not released",
		one("internal/reconcile/barriers.go", "return f.OtherCount(h) && !b[h.Task].unreachable", "return false && !b[h.Task].unreachable"),
		in("internal/reconcile", "TestResizeInTheMiddle"),
	},
	{
		"resize", "the budget of moves splits a barrier",
		[]change{
			{"internal/reconcile/select.go", `	case d.barriers.toResize(d.Facts, h, d.draft):
		return resized(d.Facts, h)
`, ""},
			{"internal/reconcile/select.go", `	case g.restart.Contains(slot.Index):
`, `	case d.barriers.toResize(d.Facts, g.Granted, d.draft):
		g.changed = true
		return cluster.Reason{Code: cluster.WhyResized}
	case g.restart.Contains(slot.Index):
`},
		},
		in("internal/reconcile", "TestResizeAndBudget"),
	},
	{
		"resize", "a barrier takes the turn of others",
		one("internal/reconcile/budget.go", "\t\tif d.barriers[name] == nil { //", "\t\tif d.barriers != nil { //"),
		in("internal/reconcile", "TestResizeAndBudget"),
	},
	{
		"resize", "workers get the count that their task has now, not the one of their grant",
		one("internal/follower/follow.go", "			count, _ := h.WorkerCount()\n", "			count := h.Spec.WorkerNum\n"),
		in("internal/follower", "TestFollowTellsTheCountOfTheGrant"),
	},
	{
		"resize", "a grant that stays takes the count that its task has now",
		one("internal/reconcile/release.go", `		count, _ := list[i].WorkerCount()
		s := d.stored[list[i].Task]
`, `		s := d.stored[list[i].Task]
		count := s.Spec.Count()
`),
		in("internal/reconcile", "TestResizeWhileNothingIsGranted"),
	},
	{
		"resize", "a releasing slot forgets its count",
		one("internal/reconcile/release.go", `				if count, known := h.WorkerCount(); known {
`, `				if count := d.Specs[h.Task].Count(); count >= 0 {
`),
		in("internal/reconcile", "TestResizeIsABarrier"),
	},
	{
		"returned", "a release stops counting, although its member has not confirmed it and no token is above its own",
		one("internal/view/superseded.go", "h.Token < tokens[slot.Index]", "h.Token <= tokens[slot.Index]"),
		in("test/explore", "TestEveryOrder"),
	},
	{
		"returned", "a release that stayed listed counts once its member is gone",
		one("internal/view/view.go", "	v.superseded.hide(s.Peers)\n", ""),
		in("internal/view", "TestSnapshotsLeaveOutSuperseded"),
	},
	{
		"returned", "a view goes by the superseded releases of former assignments",
		one("internal/view/superseded.go", "!known || rec != p.Assignment.Rec {", "!known || rec == nil && p == nil {"),
		in("internal/view", "TestSnapshotsLeaveOutSuperseded"),
	},
	{
		"returned", "what an edit may have caused counts no longer once another token is given",
		one("internal/schema/slotrange.go", "	return r.Why.Code != cluster.WhyEdited && r.Why", "	return r.Why.Code == cluster.WhyEdited || r.Why"),
		in("internal/view", "TestWithoutSuperseded"),
	},
	{
		"returned", "a release of a run stays listed",
		one("internal/schema/slotrange.go", "run != \"\" || r.Why == nil {", "run == \"-\" || r.Why == nil {"),
		in("internal/schema", "TestMayStay"),
	},
	{
		"returned", "a release stays listed although its slot is granted nowhere",
		one("internal/reconcile/returned.go", "if !written && len(stay) > 0 && !draft.Full() {", "if !written && len(stay) < 0 && !draft.Full() {"),
		in("internal/reconcile", "TestReturnedSlots"),
	},
	{
		"returned", "a release of another count of workers stays listed",
		one("internal/reconcile/returned.go", "!h.MayStay() || round.OfResize(&h) || d.OtherCount(&h)", "!h.MayStay() || round.OfResize(&h)"),
		in("internal/reconcile", "TestReturnedSlots"),
	},
	{
		"returned", "a release of a member that leaves stays listed",
		one("internal/reconcile/returned.go", "return d.Members[memberID] == members.Active && !slices", "return d.Members[memberID] >= members.Active && !slices"),
		in("internal/reconcile", "TestReturnedSlots"),
	},
	{
		"returned", "a leader that leaves waits for releases that stayed listed",
		one("internal/reconcile/release.go", "tidies := peer.Superseded != nil && ", "tidies := false && "),
		in("internal/reconcile", "TestSupersededReleases"),
	},
	{
		"returned", "a slot is granted although only a superseded release of a member that is gone lists it",
		one("internal/reconcile/grants.go", "		if !p.Live() || p.Status.Rec == nil || !d.Stopped", "		if p.Live() && !d.Stopped"),
		in("internal/reconcile", "TestSupersededReleases"),
	},
	{
		"returned", "a slot waits for the node of a member that gave it back long ago",
		one("internal/reconcile/grants.go", "== nil || d.Members[memberID] == members.Delayed ||", "== nil ||"),
		in("internal/reconcile", "TestSupersededReleases"),
	},
	{
		"returned", "a slot waits for the agenda of a run that ended on a member that gave the slot back long ago",
		one("internal/reconcile/grants.go", " || d.Members[memberID] == members.AwaitingRuns {", " {"),
		in("internal/reconcile", "TestReturnedSlotsDoNotWaitForAgendas"),
	},
	{
		"returned", "a slot is free twice",
		one("internal/reconcile/returned.go", "		if _, known := draft.FreedWhy[slot]; !known {\n			draft.FreedWhy[slot] = h.WhyOr(cluster.Reason{Code: cluster.WhyUnlisted, Node: node})\n		}\n", "		draft.FreedWhy[slot] = h.WhyOr(cluster.Reason{Code: cluster.WhyUnlisted, Node: node})\n"),
		in("internal/reconcile", "TestSupersededReleases"),
	},
	{
		"returned", "the next reading of a lost member is put off by each decision",
		one("internal/leader/leader.go", "			next[memberID] = min(was, at)\n", "			next[memberID] = max(was, at)\n"),
		in("internal/leader", "TestRereadsAreNotPutOff"),
	},
	{
		"returned", "an eviction drops superseded releases with the status that could show what they hide",
		one("internal/view/superseded.go", "	rec.Releasing = slices.Concat(rec.Releasing, p.Superseded)\n", "	rec.Releasing = slices.Concat(rec.Releasing)\n"),
		in("internal/view", "TestWithoutSuperseded"),
	},
	{
		"returned", "a leader that evicts a member writes its assignment as it is shown, without superseded releases",
		one("internal/leader/publish.go", "was, member, status, why := p.StoredAssignment(),", "was, member, status, why := p.Assignment.Rec,"),
		in("test/cluster", "TestAnEvictionKeepsWhatStaysListed"),
	},
	{
		"returned", "a slot that has stopped is not given back before all others that are asked back have stopped",
		one("internal/follower/follow.go", "	if l.Now >= until {\n", "	if l.StopsSince < 0 {\n"),
		in("internal/follower", "TestFollow"),
	},
	{
		"returned", "the memory that finds superseded releases grows with the index of a slot, whatever a hand wrote",
		one("internal/view/superseded.go", "				if index >= cluster.MaxWorkers {\n", "				if index < 0 {\n"),
		in("internal/view", "TestWithoutSuperseded"),
	},
	{
		"sums", "a node that has come back counts as vanished while all members live",
		one("internal/reconcile/members/delays.go", "	if len(d.delays.Vanished) == 0 && !slices.", "	if !slices."),
		in("internal/reconcile", "TestVanishedUntilItComesBack"),
	},
	{
		"sums", "sums do not show which tasks' workers get another count",
		one("internal/reconcile/round/sums.go", " || t.GrantedFrom(spec.WorkerNum) || f.resizes(name, t) {", " || t.GrantedFrom(spec.WorkerNum) {"),
		in("internal/reconcile", "TestKeptSumsDecideNothingElse"),
	},
	{
		"sums", "labels stay with the sums when an operator changes them",
		one("internal/reconcile/placement/placement.go", "	if p.Sums != nil && len(changed) == 0 {\n", "	if p.Sums != nil {\n"),
		in("internal/reconcile", "TestKeptSumsDecideNothingElse"),
	},
	{
		"sums", "sums that are kept do not show which members are asked for slots",
		one("internal/reconcile/ledger/member.go", "m.Releasing, m.Unlisted = len(next.releasing) > 0, ", "m.Releasing, m.Unlisted = len(next.granted) == 0, "),
		in("internal/reconcile", "TestKeptSumsDecideNothingElse"),
	},
	{
		"sums", "slots are granted by sums from before the decision freed any",
		one("internal/reconcile/round/sums.go", "		s.Put(s.Find(memberID), assignment)\n", "		_, _ = memberID, assignment\n"),
		in("internal/reconcile", "TestKeptSumsDecideNothingElse"),
	},
	{
		"specs", "a node claims slots whose specs it has not read",
		one("internal/follower/follow.go", "			if h.Spec == nil || l.recorded[end{slot, h.Token}] {", "			if h.Spec == nil {\n				h.Spec = &cluster.TaskSpec{Name: h.Task, WorkName: h.Task}\n			}\n			if l.recorded[end{slot, h.Token}] {"),
		in("test/cluster", "TestSpecsThatCannotBeRead"),
	},
	{
		"specs", "an earlier version of a chunk is taken for the one that a grant names",
		one("internal/specs/table.go", "	if chunk.version < ref.Version {", "	if chunk.byName == nil {"),
		in("test/explore", "TestEveryOrderOfSpecs"),
	},
	{
		"specs", "a node takes the newest spec, whatever its grant names",
		one("internal/specs/table.go", "		if s.From <= ref.Version {", "		if s != nil {"),
		in("test/explore", "TestEveryOrderOfSpecs"),
	},
	{
		"specs", "specs that assignments name are dropped",
		one("internal/reconcile/specs.go", "		if w.named[s] || slices.", "		if slices."),
		simulated("Safety", 20),
	},
	{
		"specs", "specs that nothing names are dropped although an earlier one of the same task stays",
		one("internal/reconcile/specs.go", "; needed && s.From >= from {", "; needed && (s.From == from || w.named[s] || s.Spec == w.f.Specs[s.Name]) {"),
		in("test/explore", "TestSpecsOfALostNode"),
	},
	{
		"specs", "a spec that is no longer in force in a chunk is taken for stored",
		one("internal/reconcile/specs.go", "				if isPresent(f, s) {", "				s.StoredSpec = &w.chunks[number].Specs[i]\n				if isPresent(f, s) {"),
		in("internal/reconcile", "TestTheFormerSpecIsNotInForce"),
	},
	{
		"specs", "a chunk that was deleted and made again is written again",
		one("internal/reconcile/specs.go", "	return !e.Good() && (e.Rec == nil || e.Version <= e.RecAt)\n", "	return !e.Good() && e.Rec == nil && e.Err == nil && e.Version <= e.RecAt\n"),
		in("internal/reconcile", "TestSpecChunksThatHandsHaveSpoilt"),
	},
	{
		"specs", "a chunk that was deleted and made again is a good one",
		one("internal/view/store.go", "es.droppedSpecs[number] || old.Rec != nil", "old.Rec != nil"),
		in("internal/view", "TestSpecsEditedByHand"),
	},
	{
		"specs", "a leader goes by the specs that a chunk had before a hand edited it",
		one("internal/view/store.go", "		es.unresolve(number, e.Rec)\n", ""),
		in("internal/view", "TestSpecsEditedByHand"),
	},
	{
		"specs", "the number of a chunk is used again when the counter of tokens has gone back",
		one("internal/reconcile/round/facts.go", "	for number := range f.Snapshot.SpecChunks {\n		learn(number)\n	}\n", ""),
		in("internal/reconcile", "TestNumbersOfChunksAreNotUsedAgain"),
	},
	{
		"specs", "the number of a chunk that is gone is used again although grants name it",
		one("internal/reconcile/round/facts.go", "				learn(rec.Granted[i].Ref.Chunk)\n", "				_ = i\n"),
		in("internal/reconcile", "TestNumbersOfChunksAreNotUsedAgain"),
	},
	{
		"specs", "specs are written after the grants that name them",
		[]change{
			{"internal/leader/publish.go", "	chunks, chunkSizes := l.specOps(snap, d)\n	ops = append(ops, chunks...)\n", "	chunks, chunkSizes := l.specOps(snap, d)\n"},
			{"internal/leader/publish.go", "	for number, chunk := range d.SpecChunks {\n		l.view.Put", "	if len(chunks) > 0 {\n		_, _ = l.Session.Commit(ctx, chunks...)\n	}\n	for number, chunk := range d.SpecChunks {\n		l.view.Put"},
		},
		simulated("Safety", 20),
	},
	{
		"specs", "a chunk that cannot be read is taken for a good one",
		one("internal/reconcile/specs.go", "	return known && e.Good()\n", "	return known && e.Version >= 0\n"),
		in("internal/reconcile", "TestSpecChunksThatHandsHaveSpoilt"),
	},
	{
		"specs", "grants go on naming a chunk that was deleted",
		one("internal/reconcile/specs.go", "	return !startedAgain(f, h.Ref.Chunk) && h.Spec != nil", "	return h.Spec != nil"),
		in("internal/reconcile", "TestSpecChunksThatHandsHaveSpoilt"),
	},
	{
		"specs", "a slot is granted before its spec is stored",
		one("internal/reconcile/grants.go", "		if !known {\n			continue\n		}\n		count, below", "		if !known {\n			s := d.Specs[name]\n			spec.StoredSpec, spec.Ref = &schema.StoredSpec{Name: name, Spec: s}, schema.SpecRef{Chunk: 1}\n		}\n		count, below"),
		in("internal/reconcile", "TestSpecChunksAreBounded"),
	},
	{
		"specs", "a commit stores as many specs as there are",
		one("internal/reconcile/specs.go", "	return w.total == 0 || w.total+size <= schema.MaxSpecChunk\n", "	return w.total == 0 || size < 1<<30\n"),
		in("internal/reconcile", "TestSpecChunksAreBounded"),
	},
	{
		"specs", "a node does not read the specs of its assignment again when that has changed meanwhile",
		one("internal/follower/specs.go", "		fl.resolveSpecs(ctx)\n	default", "	default"),
		in("test/cluster", "TestSpecsChangeWhileTheyAreRead"),
	},
	{
		"budget", "more slots are moved at once than the cluster's budget allows",
		one("internal/reconcile/budget.go", "if b.maxInFlight > 0 && b.inFlight >= b.maxInFlight || limited", "if limited"),
		in("test/cluster", "TestBudgets"),
	},
	{
		"budget", "more workers of a task are unavailable than it allows",
		one("internal/reconcile/budget.go", "|| limited && out <= 0 {", "{"),
		in("test/cluster", "TestBudgets"),
	},
	{
		"budget", "granted slots that do not run yet do not count",
		one("internal/reconcile/budget.go", `		b.inFlight += idle
`, `		b.inFlight += 0 * idle
`),
		in("internal/reconcile", "TestPace"),
	},
	{
		"quiet", "slots move for balance to a node that has just come back",
		one("internal/reconcile/placement/returned.go", "returned[m.To] &&", "false && returned[m.To] &&"),
		in("internal/reconcile", "TestQuiet"),
	},
	{
		"quiet", "a node that has come back gets nothing for balance while another one comes and goes",
		one("internal/reconcile/members/returns.go", "min(r.Changed+quiet, since+cluster.MaxQuiets*quiet)", "r.Changed + quiet + 0*since*cluster.MaxQuiets"),
		in("internal/reconcile", "TestQuiet"),
	},
	{
		"quiet", "a leader that begins takes a node that has come back for a new one",
		one("internal/reconcile/members/returns.go", "next.Settled = !f.AnythingGranted()", "next.Settled = true"),
		in("internal/reconcile", "TestQuiet"),
	},
	{
		"quiet", "a leader that begins never learns which nodes are new",
		one("internal/reconcile/members/returns.go", "last.Settled || f.Now >= last.Changed+quiet", "last.Settled"),
		in("internal/reconcile", "TestQuiet"),
	},
	{
		"quiet", "the name of a node that has gone is never forgotten",
		[]change{
			{"internal/reconcile/members/returns.go", "!r.Names[name] && f.Now < since+seenLately", "!r.Names[name]"},
			{"internal/reconcile/members/returns.go", "seen && f.Now < gone+seenLately", "seen && gone >= 0"},
		},
		in("internal/reconcile", "TestQuiet"),
	},
	{
		"quiet", "a drain waits for the nodes to be quiet",
		one("internal/reconcile/placement/returned.go", " && Urgency(m.Reason.Code) >= ForComfort\n", "\n"),
		in("internal/reconcile", "TestQuiet"),
	},
	{
		"quiet", "a request to a former leader ends the wait of this one",
		one("internal/reconcile/round/facts.go", "e.Rec.BalanceNow == epoch.Term", "e.Rec.BalanceNow > 0"),
		in("internal/reconcile", "TestQuiet"),
	},
	{
		"quiet", "nothing is decided when the nodes have been quiet",
		one("internal/reconcile/members/returns.go", "		draft.RequeueAt(end)\n", ""),
		in("internal/reconcile", "TestQuiet"),
	},
	{
		"quiet", "it is not published that slots wait",
		one("internal/reconcile/members/returns.go", "out.Announce = published.IsZero() != out.BalanceAt.IsZero() || ", "out.Announce = false && "),
		in("test/cluster", "TestNodesComeBackQuietly"),
	},
	{
		"quiet", "what an operator asked once holds for ever",
		one("internal/reconcile/requests.go", "	next.BalanceNow = 0 // FindReturns has served it, or it is void\n", ""),
		in("test/cluster", "TestNodesComeBackQuietly"),
	},
	{
		"quiet", "a slot that runs nowhere waits for room that another would leave",
		one("internal/reconcile/placement/returned.go", "if !p.makeRoom(avoids) {", "if !p.makeRoom(avoids) && false {"),
		in("internal/reconcile", "TestQuietHoldsNothingThatRunsNowhere"),
	},
	{
		"quiet", "a slot that stays, since the room for it is not free yet, is asked back and granted to its node again",
		one("internal/reconcile/placement/returned.go", "		case m.To != m.From:\n", "		case m.To != m.From || Urgency(m.Reason.Code) < ForComfort:\n"),
		in("internal/reconcile", "TestQuietPlans"),
	},
	{
		"quiet", "workers of runs, which never move for balance, are shown as waiting",
		[]change{{"internal/reconcile/placement/placement.go", "	p.avoidFailures(bound.Avoids)\n", "	p.KeptFromReturned = p.keepFromReturned(bound.Back, bound.Avoids)\n	p.avoidFailures(bound.Avoids)\n"},
			{"internal/reconcile/placement/placement.go", "	p.keepRuns(bound.Avoids)\n	p.KeptFromReturned = p.keepFromReturned(bound.Back, bound.Avoids)\n", "	p.keepRuns(bound.Avoids)\n"}},
		in("internal/reconcile", "TestRunsDoNotWaitForQuiet"),
	},
	{
		"restart grace", "the slots of a node that has left to be restarted do not wait",
		one("internal/reconcile/members/delays.go", "return restart.At + d.graceOf(memberID), ", "return restart.At, "),
		in("internal/reconcile", "TestRestartGrace"),
	},
	{
		"restart grace", "the slots of a drained node wait for it",
		one("internal/reconcile/members/delays.go", "d.MovesNow(memberID) || d.Drained(memberID) {", "d.MovesNow(memberID) {"),
		in("internal/reconcile", "TestRestartGrace"),
	},
	{
		"restart grace", "the slots of a node on which everything fails wait for it",
		one("internal/reconcile/round/facts.go", "mark.Drain != nil || mark.Quarantine != nil && mark.Quarantine.Member == memberID", "mark.Drain != nil"),
		in("internal/reconcile", "TestRestartGrace"),
	},
	{
		"restart grace", "slots that were asked back before wait for the node",
		one("internal/reconcile/members/reap.go", "Delayed && p.Assignment.Rec.Closed != nil:", "Delayed && p.Assignment.Rec.Closed != nil && false:"),
		in("internal/reconcile", "TestRestartGrace"),
	},
	{
		"returned", "what a node gave back waits for it after a crash, once nothing supersedes the release",
		one("internal/reconcile/members/reap.go", "Delayed && p.Assignment.Rec.Closed != nil:", "Delayed && LeftToRestart(p):"),
		in("internal/reconcile", "TestReturnedSlotsDoNotWaitForNodes"),
	},
	{
		"restart grace", "slots that were asked back before are granted to the node that has left",
		one("internal/reconcile/placement/placement.go", "if gone && rec.Closed != nil {", "if false {"),
		in("internal/reconcile", "TestRestartGrace"),
	},
	{
		"restart grace", "a grace has no bound",
		one("internal/reconcile/members/delays.go", "return min(time.Duration(p.Assignment.Rec.Closed.RestartGrace), cluster.MaxRestartGrace)", "return time.Duration(p.Assignment.Rec.Closed.RestartGrace)"),
		in("internal/reconcile", "TestRestartGrace"),
	},
	{
		"restart grace", "the slots of a node that stops to be restarted are asked back",
		one("internal/reconcile/members/members.go", "p.Member.Rec.RestartGrace > 0 && !f.Drained", "p.Member.Rec.RestartGrace < 0 && !f.Drained"),
		in("internal/reconcile", "TestRestartGrace"),
	},
	{
		"restart grace", "an operator cannot end the wait for a node that takes long to stop",
		one("internal/reconcile/members/members.go", "!f.Drained(memberID) && !f.MovesNow(memberID)\n", "!f.Drained(memberID)\n"),
		in("internal/reconcile", "TestMoveNowWhileANodeStops"),
	},
	{
		"restart grace", "a node that has left to be restarted counts as one of several that leave",
		one("internal/reconcile/members/departures.go", "waits || !ended &&", "waits && !ended || !ended &&"),
		in("internal/reconcile", "TestAGraceIsNotADeparture"),
	},
	{
		"restart grace", "a node that is back counts as one of several that leave",
		one("internal/reconcile/members/departures.go", "if LeftToRestart(d.Snapshot.Peers[memberID]) && live", "if false && live"),
		in("internal/reconcile", "TestAGraceIsNotADeparture"),
	},
	{
		"restart grace", "a freeze does not count the nodes that are being restarted",
		one("internal/reconcile/members/delays.go", "len(d.delays.Vanished) + len(d.delays.Restarts) }", "len(d.delays.Vanished) }"),
		in("internal/reconcile", "TestRestartsDoNotMakeAFreeze"),
	},
	{
		"restart grace", "slots that were given back for another count wait for a node that has left to be restarted",
		one("internal/reconcile/barriers.go", "		if why, is := delayed[memberID]; is {", "		if why, is := delayed[memberID]; is && !members.Left(f.Snapshot.Peers[memberID]) {"),
		in("internal/reconcile", "TestRestartGraceWithinABarrier"),
	},
	{
		"restart grace", "what was never started waits for the node",
		one("internal/membership/close.go", "return d.Started[slot] != h.Token", "return d.Started[slot] != h.Token && false"),
		in("internal/membership", "TestWhatWasNeverStartedDoesNotWait"),
	},
	{
		"restart grace", "what the node ran does not wait for it",
		one("internal/follower/status.go", "		fl.started[g.Slot] = g.Token\n", ""),
		in("test/cluster", "TestNodesAreRestarted"),
	},
	{
		"restart grace", "a leader that is restarted waits until its slots are elsewhere",
		one("internal/follower/leaving.go", "fl.Leads() && fl.Self.RestartGrace == 0 &&", "fl.Leads() &&"),
		in("test/cluster", "TestNodesAreRestarted"),
	},
	{
		"delay", "the slots of a node that crashed are not delayed",
		one("internal/reconcile/members/delays.go", "return absence.At + time.Duration(policy.LeaveDelay), why", "return absence.At, why"),
		in("test/cluster", "TestLeaveDelay"),
	},
	{
		"delay", "the slots of a node that left on purpose are delayed",
		one("internal/reconcile/members/delays.go", `		return !assignment.Closed.Left && !assignment.Closed.Settled
`, `		return true
`),
		in("internal/reconcile", "TestWait"),
	},
	{
		"delay", "a request to move now is ignored",
		one("internal/reconcile/members/delays.go", "live[absence.Node] || d.MovesNow(memberID) ||", "live[absence.Node] ||"),
		in("test/cluster", "TestMoveNowCutsADelay"),
	},
	{
		"freeze", "nothing freezes when many nodes vanish at once",
		one("internal/reconcile/members/delays.go", "d.delays.Frozen && d.Now < thaw {", "d.delays.Frozen && d.Now < 0*thaw {"),
		in("test/cluster", "TestFreeze"),
	},
	{
		"burst", "each node of a burst gets its share in a decision of its own",
		one("internal/reconcile/placement/nodechanges.go", "\t\tif p.Now < b.Changed+round.Quiet && b.Deferred == 0 {", "\t\tif p.Now < 0*(b.Changed+round.Quiet) && b.Deferred == 0 {"),
		in("test/cluster", "TestBurst"),
	},
	{
		"burst", "slots of a leaving node go to nodes that leave a moment later",
		one("internal/reconcile/members/delays.go", `	d.deferDepartures(live)
`, ""),
		in("internal/reconcile", "TestManyLeaveTogether"),
	},
	{
		"burst", "a stream of nodes that leave holds the slots of the first one for ever",
		one("internal/reconcile/members/departures.go", "min(w.End(), since+round.MaxDefer)", "w.End() + 0*since"),
		in("internal/reconcile", "TestAStreamOfDeparturesHoldsNobodyForEver"),
	},
	{
		"burst", "each leader starts the delay of departed members' slots from its beginning",
		one("internal/reconcile/members/departures.go", `		case ended && begins:
`, `		case false:
`),
		in("internal/reconcile", "TestNoSuccessionOfLeadersHoldsAnybodyForEver"),
	},
	{
		"burst", "the next leader does not learn of nodes that leave one soon after the other",
		one("internal/reconcile/members/departures.go", `former = formerBurst(d.Facts)
`, `former = nil
`),
		in("internal/reconcile", "TestLeadersLeaveTogether"),
	},
	{
		"burst", "a leaving leader does not record that others leave, too",
		one("internal/nodesession/session.go", "	d.Burst = s.leader.Burst()\n", ""),
		in("test/cluster", "TestLeadersThatLeaveTellTheNext"),
	},
	{
		"burst", "every later leader believes what one leader has recorded of a burst",
		[]change{
			{"internal/reconcile/members/departures.go", "; handed[term] != nil; term--", "; term > 0; term--"},
			{"internal/reconcile/members/departures.go", `		apart += leaderGap
`, `		if apart += leaderGap; handed[term] == nil {
			continue
		}
`},
		},
		in("internal/reconcile", "TestABurstIsToldToTheNextLeader"),
	},
	{
		"burst", "every later leader believes what a person has written of a burst",
		[]change{{"internal/reconcile/members/departures.go", `	for term := f.Snapshot.Epoch.Rec.Term - 1; handed[term] != nil; term-- {
`, `	for term := slices.Max(append(slices.Collect(maps.Keys(handed)), f.Snapshot.Epoch.Rec.Term-1)); handed[term] != nil; term-- {
`}, {"internal/reconcile/members/departures.go", `import (
`, `import (
	"maps"
	"slices"
`}},
		in("internal/reconcile", "TestForgedBurstsHoldNobody"),
	},
	{
		"burst", "a burst with a negative count or time is believed",
		one("internal/reconcile/members/departures.go", `		case b.Count < 0 || b.Deferred < 0:
`, `		case false:
`),
		in("internal/reconcile", "TestWhatNoLeaderCanHaveToldIsNothing"),
	},
	{
		"burst", "a leader that has decided nothing counts as one that recorded nothing",
		one("internal/reconcile/round/memory.go", `	if w.Known == nil { // this leader has decided nothing, and deferred nothing
		return b
	}
`, ""),
		in("internal/reconcile", "TestABurstIsToldToTheNextLeader"),
	},
	{
		"burst", "a leader that has decided nothing records what it knew in a former term",
		one("internal/leader/vigil.go", "	l.departures.Store(&departing{term: term.Number})\n", ""),
		in("internal/leader", "TestUndecidedLeadersSaySo"),
	},
	{
		"burst", "slots left behind for an unknown time are delayed again by the next leader",
		one("internal/reconcile/round/memory.go", "memberID != self && since != 0 {", "memberID != self && since > 0 {"),
		in("internal/reconcile", "TestUnknownWaitsStayUnknown"),
	},
	{
		"secret", "a secret that strangers may have read stays in use",
		one("internal/membership/secret.go", "		if rec.Closed || !closed {\n", "		if rec.Closed || closed || !closed {\n"),
		in("internal/membership", "TestPeerSecretOfAnOpenStoreIsReplaced"),
	},
	{
		"secret", "a node that etcd authenticates keeps a secret that others could read before",
		one("app/internal/peers/peers.go", "membership.PeerSecret(ctx, session, keys, closed)", "membership.PeerSecret(ctx, session, keys, closed && false)"),
		in("app/internal/doctor", "TestEtcdThatAsksNobody"),
	},
	{
		"drain", "a drained node is given work",
		one("internal/planner/problem.go", "node.Cordoned || node.Draining,", "node.Cordoned,"),
		in("internal/planner", "TestTwin"),
	},
	{
		"drain", "a drain never ends where no other node can take the work",
		one("internal/reconcile/members/drains.go", `				next[memberID] = Leaving
`, `				_ = memberID
`),
		in("test/cluster", "TestDrainDeadline"),
	},
	{
		"plan", "a plan is applied to a cluster that has moved on",
		one("internal/operation/apply.go", "if now := explain.Revision(s); now != revision {", "if now := explain.Revision(s); now == \"\" {"),
		in("test/cluster", "TestPlanAndApply"),
	},
	{
		"plan", "a plan is applied over records that were written after its snapshot",
		one("internal/operation/commit.go", "if o.planned && f.moved(s) {", "if o.planned && f.moved(s) && s == nil {"),
		in("internal/operation", "TestApplyAfterAnotherWrite"),
	},
	{
		"plan", "a worker is moved where the plan would not leave it",
		one("internal/operation/request.go", "	if err != nil {\n		return err\n	}\n	return e.request(func(r *schema.Requests) {\n		r.Move", "	_ = err\n	return e.request(func(r *schema.Requests) {\n		r.Move"),
		in("internal/operation", "TestMoveThatThePlanWouldUndo"),
	},
	{
		"plan", "a write leaves a record as it was, so that it differs from the planned one",
		one("internal/operation/commit.go", "		rec := next.Marks[t.name].Rec\n", "		rec := f.snapshot.Marks[t.name].Rec\n		if rec == nil {\n			rec = next.Marks[t.name].Rec\n		}\n"),
		in("internal/operation", "TestPlansSayWhatIsWritten"),
	},
	{
		"plan", "a slot of a deleted task is planned, and breaks the node that is asked",
		one("internal/reconcile/explain/whatif.go", "!known || slot.Index < 0 || slot.Index >= spec.WorkerNum { // granted", "!known && slot.Index < 0 || slot.Index >= spec.WorkerNum && slot.Index < 0 { // granted"),
		in("internal/reconcile", "TestMoveOfASlotWithoutANode"),
	},
	{
		"plan", "a fault in the planner stops the cluster",
		one("internal/reconcile/placement/placement.go", "if r := recover(); r != nil {", "if r := any(nil); r != nil {"),
		in("internal/reconcile", "TestPlannerFails"),
	},
	{
		"plan", "a plan does not look for better ones where tasks compete",
		one("internal/planner/solver/solver.go", "	cancelCycles(m)\n", ""),
		in("internal/planner", "TestTwin"),
	},
	{
		"plan", "lighter workers do not make room for a heavier one",
		one("internal/planner/solver/solver.go", "	placeUnplaced(m)\n", ""),
		in("internal/planner", "TestRoomIsMadeForAHeavierOne"),
	},
	{
		"plan", "a plan that is not better than the present placement moves workers",
		one("internal/planner/solver/solver.go", "	keepIncumbent(m)\n", ""),
		in("internal/planner", "TestRestlessWorldsComeToRest"),
	},
	{
		"plan", "a leader forgets the plan that it carries out, and the next one takes back what that has begun",
		one("internal/reconcile/placement/placement.go", `	p.goOn(p.Memory.Toward, byName)
`, ""),
		in("internal/reconcile", "TestWorkersChangePlacesOnce"),
	},
	{
		"plan", "the planner gives up the plan that is being carried out for one that is not better",
		one("internal/planner/solver/incumbent.go", "		prefer(m, inProgress)\n", "		_ = inProgress\n"),
		in("internal/planner", "TestPlansCarriedOutInTurnsEnd"),
	},
	{
		"plan", "plans are compared by a target that depends on where workers are",
		one("internal/planner/model/cost.go", "m.reference.SetQuotas(ignoreCurrent)", "m.reference.SetQuotas(FavorCurrent)"),
		in("internal/planner", "TestRestlessWorldsComeToRest"),
	},
	{
		"plan", "workers do not make way across zones where nodes have different weights",
		one("internal/planner/solver/mincost.go", "		w.addArc(vertex, firstVertex+z, zoneArc, int32(t), firstZone+z)\n",
			"		if w.EqualWeights {\n			w.addArc(vertex, firstVertex+z, zoneArc, int32(t), firstZone+z)\n		}\n"),
		in("internal/planner", "TestWorkersMakeWayAcrossZones"),
	},
	{
		"plan", "the search for room for heavier workers has no bound",
		one("internal/planner/solver/repair.go", "	r.budget -= steps\n", ""),
		in("internal/planner", "TestEffortIsBounded"),
	},
	{
		"plan", "fleets that are too large for exchanges are not filled",
		one("internal/planner/solver/repair.go", "	small, exhausted :=", "	if len(m.Share) > cancelCells {\n		return\n	}\n	small, exhausted :="),
		in("internal/planner", "TestLargeFleetsAreFilled"),
	},
	{
		"plan", "the plan for runs counts on moves of other tasks that are not made",
		one("internal/reconcile/placement/placement.go", "around.Tasks[t].Current, around.Tasks[t].Fixed = first.Target[i], true", "around.Tasks[t].Current = first.Target[i]"),
		in("internal/reconcile", "TestRunsTakeWhatRoomThereIs"),
	},
	{
		"plan", "a run loses a worker because its node is full in the plan",
		one("internal/reconcile/placement/placement.go", "node.Capacity, node.Cordoned = load[n], true", "node.Cordoned = true"),
		in("internal/reconcile", "TestRunsKeepWhatTheyExecute"),
	},
	{
		"plan", "workers of fixed tasks move where other tasks want their place",
		one("internal/planner/solver/exchange.go", " && r.Penalty(t, n) != model.Ineligible && r.Share", " && r.Penalty(t, n) >= model.Ineligible && r.Share"),
		in("internal/planner", "TestFixedTasksStay"),
	},
	{
		"plan", "a rolling restart sends the same slot on at every step",
		one("internal/planner/slots.go", "if task.Token != nil {", "if false {"),
		in("internal/planner", "TestRollingRestartMovesNothingMoreThanTwice"),
	},
	{
		"plan", "nodes that are gone are given work",
		one("internal/planner/eligibility.go", "if fixed || node.Gone || Fits(", "if fixed || Fits("),
		in("internal/planner", "TestTwin"),
	},
	{
		"update", "a commit whose outcome is unknown is repeated blindly",
		[]change{
			{"coord/update.go", "	var last error\n", "	var last error\n	var sent []Op\n"},
			{"coord/update.go", "		ops, err := decide(last)\n", "		ops, err := sent, error(nil)\n		if !errors.Is(last, ErrUnknown) {\n			ops, err = decide(last)\n		}\n		sent = ops\n"},
		},
		in("coord", "TestUpdate"),
	},
	{
		"update", "a commit whose outcome is unknown is taken to be made",
		one("coord/update.go", "		if err == nil {\n			return results, nil\n", "		if err == nil || errors.Is(err, ErrUnknown) {\n			return results, nil\n"),
		in("coord", "TestUpdate"),
	},
	{
		"update", "a commit whose outcome is unknown is taken to have failed",
		one("coord/update.go", "	return matches(ErrUnknown) || ", "	return "),
		in("coord", "TestUpdate"),
	},
	{
		"update", "decide does not learn why it is called again",
		one("coord/update.go", "		last = err\n", ""),
		in("coord", "TestUpdate"),
	},
	{
		"update", "a commit over a session that has ended is tried again",
		one("coord/update.go", "	if errors.Is(err, ErrSessionEnded) { //", "	if err == nil { //"),
		in("coord", "TestUpdateFails"),
	},
	{
		"update", "commits that fail again and again follow each other without a pause",
		one("coord/update.go", "backoff.Conflicts.Wait(ctx, failures)", "backoff.Conflicts.Wait(ctx, min(failures, 1))"),
		in("coord", "TestUpdatePauses"),
	},
	{
		"update", "an update that was given up does not report that it may have been made",
		one("coord/update.go", "fmt.Errorf(\"%w: %w\", last, err)", "fmt.Errorf(\"%v: %w\", last, err)"),
		in("coord", "TestUpdateEnds"),
	},
	{
		"hand", "a status that a person has edited makes a leader write an assignment that cannot be used",
		one("internal/schema/records.go", "for i := range s.Holding {", "for i := range s.Holding[:0] {"),
		in("internal/schema", "TestUnusableRecords"),
	},
	{
		"hand", "a slot is asked back for ever, since a person has edited the version of its release",
		one("internal/schema/records.go", "if h.Version > d.Version {", "if h.Version > d.Version && false {"),
		in("internal/schema", "TestUnusableRecords"),
	},
	{
		"hand", "a request for a run that a person has written makes a leader write an agenda that cannot be used",
		one("internal/schema/requests.go", "for i := range o.RunNow {", "for i := range o.RunNow[:0] {"),
		in("internal/schema", "TestUnusableRecords"),
	},
	{
		"delete", "a late deletion of meta deletes the one that was created again for a node that had joined",
		one("internal/membership/bootstrap.go", "safe = stored.Version > meta.Version", "safe = true"),
		in("internal/membership", "TestLateDeletionOfMeta"),
	},
	{
		"delete", "a node begins a new cluster while the old one is being deleted",
		one("internal/membership/bootstrap.go", "; key != keys.Epoch() {", `; key != "" {`),
		in("internal/membership", "TestNodeStartsDuringADeletion"),
	},
	{
		"bound", "closing a member deletes the name key that another node has by now",
		one("internal/membership/sessionkeys.go", "		if k.record.Session == session {\n", "		if k.record.Session == session || k.isName {\n"),
		in("internal/membership", "TestDeadMemberLeavesItsSuccessorAlone"),
	},
	{
		"bound", "an eviction deletes the name key that another node has by now",
		one("internal/membership/sessionkeys.go", "		if !k.isName || k.record.Session == b.maker {\n", "		if k.key != b.maker {\n"),
		in("internal/membership", "TestBound"),
	},
	{
		"bound", "a candidate key of a member that is closed stays, and keeps others from leading",
		one("internal/membership/sessionkeys.go", "sessionKey{key: keys.Elections() + \"/\" + c.Name})\n", "sessionKey{key: keys.Elections() + \"/\" + c.Name})\n			break\n"),
		in("internal/membership", "TestDeadMemberOfTwoCandidateKeysIsClosed"),
	},
	{
		"bound", "a key of a member that cannot be read counts as absent",
		one("internal/membership/sessionkeys.go", "			return SessionKeys{}, errs[i]\n", "			continue\n"),
		in("internal/membership", "TestBoundThatCannotBeRead"),
	},
	{
		"checkpoint", "a checkpoint is written even when another member has the slot",
		[]change{
			{"internal/follower/checkpoint.go", "{holds, coord.Create(key, schema.Encode(next, 0))}", "{holds, coord.Create(key, schema.Encode(next, 0))}[1:]"},
			{"internal/follower/checkpoint.go", "{holds, coord.Set(key, schema.Encode(next, version+1), version)}", "{holds, coord.Set(key, schema.Encode(next, version+1), version)}[1:]"},
		},
		in("internal/follower", "TestCheckpointIsFenced"),
	},
	{
		"runs", "a task that is declared again within a second has the run of the deleted one",
		one("internal/reconcile/runs/clock.go", "	for a.Mentions(cluster.RunTask(a.task, id)) {\n", "	for false {\n"),
		in("internal/reconcile", "TestDeclaredAgainWithinASecond"),
	},
	{
		"runs", "a firing of a task that is declared again has the run of the deleted one",
		one("internal/reconcile/runs/fire.go", "a.newRun(a.unusedID(at), at)", "a.newRun(schema.RunID(at), at)"),
		in("internal/reconcile", "TestDeclaredAgainWithAClockBehind"),
	},
	{
		"runs", "the next leader decides about past firings again",
		one("internal/reconcile/runs/fire.go", `		a.rec.Last, a.changed = due.Last, true
`, ""),
		in("test/cluster", "TestSchedule"),
	},
	{
		"runs", "firings that a leader with a clock ahead passed over never happen",
		one("internal/reconcile/runs/fire.go", "	a.rewind(s)\n", ""),
		in("internal/reconcile", "TestClockAhead"),
	},
	{
		"runs", "firings that were passed over and are still to come stay counted as skipped",
		one("internal/reconcile/runs/clock.go", "	a.unskip(s, open)\n", ""),
		in("internal/reconcile", "TestWhatIsStillToComeIsNotSkipped"),
	},
	{
		"runs", "firings out of turn are counted as skipped",
		one("internal/schedule/schedule.go", "\tlate = slices.DeleteFunc(late, fired)\n", ""),
		in("internal/reconcile", "TestWhatHasFiredIsNotSkipped"),
	},
	{
		"runs", "a time of day that the clock change leaves out does not fire",
		one("internal/schedule/schedule.go", "if s.fixed && p.offset > p.former {", "if false {"),
		in("internal/schedule", "TestDueWhereAClockGoesForward"),
	},
	{
		"runs", "firings of a leader with a clock ahead happen again",
		one("internal/reconcile/runs/clock.go", "return schema.Within(a.rec.Decided, at) || ", "return "),
		in("internal/reconcile", "TestClockAhead"),
	},
	{
		"runs", "an edited schedule starts over at the leader's clock, whatever was decided before",
		one("internal/reconcile/runs/fire.go", `now.After(a.rec.Last) {
`, `!now.Equal(a.rec.Last) {
`),
		in("internal/reconcile", "TestClockSetBackAndScheduleEdited"),
	},
	{
		"runs", "an instant that has a run may have another one",
		one("internal/reconcile/runs/clock.go", ` || a.rec.Find(id) != nil || slices.Contains(a.rec.Kept, id)
`, ` || id == ""
`),
		in("internal/reconcile", "TestInstantHasOneRun"),
	},
	{
		"runs", "a run that waits begins while another goes on",
		one("internal/reconcile/runs/runs.go", "!slices.ContainsFunc(a.rec.Runs, goesOn)", "len(a.rec.Runs) > 0 || !slices.ContainsFunc(a.rec.Runs, goesOn)"),
		in("internal/reconcile", "TestWhatCameTooLate"),
	},
	{
		"runs", "a firing that is due now waits behind one that came too late",
		one("internal/reconcile/runs/runs.go", "		at = first\n", "		_ = first\n"),
		in("internal/reconcile", "TestDueNowGoesFirst"),
	},
	{
		"runs", "runs without workers begin beyond the room that there is",
		one("internal/reconcile/runs/fire.go", `		if len(a.rec.Runs) >= cluster.MaxActiveRuns {
`, `		if len(a.rec.Runs) >= cluster.MaxActiveRuns && a.unfinished() {
`),
		in("internal/reconcile", "TestRunsWithoutWorkersTakeRoom"),
	},
	{
		"runs", "a run that makes up for a missed firing delays one that is due now",
		one("internal/reconcile/runs/fire.go", "func(r schema.Run) bool { return !r.Late }", "func(r schema.Run) bool { return true }"),
		in("internal/reconcile", "TestDueNowGoesFirst"),
	},
	{
		"runs", "late firings take the room of firings that are due now",
		one("internal/reconcile/runs/fire.go", "over > 0 && len(due.Fire) > 0 &&", "over > 0 && len(due.Fire) > 99 &&"),
		in("internal/reconcile", "TestDueNowTakesTheRoom"),
	},
	{
		"runs", "the firing that an earlier version's interval has still to come is lost",
		one("internal/reconcile/runs/fire.go", "former != nil && a.awaitsFormer(former, s)", "former != nil && !a.changed && a.changed"),
		in("internal/reconcile", "TestIntervalOfAnEarlierVersion"),
	},
	{
		"runs", "late firings that are to be made up for are skipped while runs go on",
		one("internal/reconcile/runs/fire.go", "before != \"\" && !late && ", "before != \"\" && "),
		in("internal/reconcile", "TestDueNowGoesFirst"),
	},
	{
		"runs", "an agenda records every skipped firing",
		one("internal/reconcile/runs/fire.go", `	a.rec.Skips = a.rec.Skips[max(0, len(a.rec.Skips)-schema.MaxSkips):]
`, ""),
		in("internal/reconcile", "TestDueNowGoesFirst"),
	},
	{
		"runs", "all intervals of one length fire in one instant",
		one("internal/schedule/schedule.go", "at.UTC().Add(-s.phase).Truncate(s.every).Add(s.phase)", "at.UTC().Truncate(s.every)"),
		in("internal/schedule", "TestPhase"),
	},
	{
		"runs", "a heartbeat that was under way when the clocks were read bounds how far they are apart",
		one("internal/membership/apart.go", "second.Version < first.Version+2", "second.Version < first.Version+1"),
		in("internal/membership", "TestClocksAreCompared"),
	},
	{
		"runs", "a task that is declared again goes on where the deleted one was",
		one("internal/reconcile/runs/runs.go", "old.Rec.Generation != task.Rec.Generation:", "old.Rec.Generation < 0:"),
		in("test/cluster", "TestOnceDeclaredAgain"),
	},
	{
		"runs", "a run of a deleted task goes on for ever if the task has a history",
		one("internal/reconcile/runs/runs.go", `			n = 0
			if len(old.Rec.Runs) == 0 {`, `			n = 0
			if n == 0 {`),
		in("internal/reconcile", "TestDeclaredAgainWithHistory"),
	},
	{
		"runs", "the next leader begins an operator's run again",
		one("internal/reconcile/runs/runs.go", `		if a.rec.Find(o.ID) == nil && !slices.Contains(a.rec.Kept, o.ID) {
`, `		if a.rec.Find(o.ID) == nil {
`),
		in("internal/reconcile", "TestOrderIsObeyedOnce"),
	},
	{
		"runs", "a worker that was moved is the first to leave again, since it came last",
		one("internal/reconcile/requests.go", ` || d.comes(o) && d.displaces(o) {
`, ` {
`),
		in("test/cluster", "TestMovedWorkersStay"),
	},
	{
		"runs", "a slot of a run that has ended is executed again where it ended",
		one("internal/follower/follow.go", "			if h.Spec == nil || l.recorded[end{slot, h.Token}] {\n", "			if h.Spec == nil {\n"),
		simulated("Safety", 300),
	},
	{
		"runs", "the end of a slot is forgotten while the lease is lost",
		one("internal/follower/follow.go", " && (l.Phase == membership.LeaseValid || !l.Leaving):\n", " && l.Phase == membership.LeaseValid:\n"),
		in("test/cluster", "TestEndDuringACutIsNoted"),
	},
	{
		"runs", "an ended slot counts as running without a lease",
		one("internal/follower/watchdog.go", "return r.Continues() || r.Ended })", "return r.Continues() })"),
		in("test/cluster", "TestEndDuringACutIsNoted"),
	},
	{
		"runs", "a member that leaves says that nothing has ended on it",
		one("internal/follower/leaving.go", "NoCompletions: fl.done == nil && !fl.doneUnsure && !fl.busy && fl.lastStatus != nil,", "NoCompletions: true,"),
		in("internal/follower", "TestDepartureKnowsCompletions"),
	},
	{
		"growth", "a cluster begins before the nodes are there that start together",
		one("internal/reconcile/placement/nodechanges.go", "len(liveNodes(p)) >= p.Together", "len(liveNodes(p)) > 0"),
		in("internal/reconcile", "TestClusterBeginsWhenAllAreThere"),
	},
	{
		"specs", "a node that runs nothing reads all specs, however many there are",
		one("internal/follower/specs.go", "err != nil || len(chunks) > chunksAhead", "err != nil"),
		in("internal/follower", "TestSpecsAreReadAhead"),
	},
	{
		"leave", "a member that leaves is lost for a round, where the hint of its assignment comes last",
		one("internal/view/read.go", "	goneAssignments = append(goneAssignments, v.goneMarked(b.rest)...)\n", ""),
		in("internal/view", "TestALeaverIsNotTakenForLost"),
	},
	{
		"leave", "candidates that will not lead look at once when one has gone",
		one("internal/election/election.go", "			if !e.second {", "			if false {"),
		in("internal/election", "TestOthersThanTheSecondLookLater"),
	},
	{
		"leave", "the next leader looks as late as the others",
		one("internal/election/election.go", "			if !e.second {", "			if true {"),
		in("internal/election", "TestOthersThanTheSecondLookLater"),
	},
	{
		"runs", "a member's record of ended slots outlives the member",
		one("internal/leader/publish.go", "		ops = append(ops, coord.Delete(l.Keys.CompletionsOf(memberID), done.Version))\n", "		_ = done\n"),
		simulated("Liveness", 100),
	},
	{
		"runs", "a record of ended slots that cannot be read outlives the member",
		one("internal/leader/publish.go", "done := p.Completions; done.Exists() {", "done := p.Completions; done.Rec != nil && !done.Absent {"),
		in("internal/leader", "TestReapDeletesCompletions"),
	},
	{
		"runs", "a request to move a slot is dropped before what the slot displaces is asked back",
		one("internal/reconcile/requests.go", "		return assignment == nil || schema.Find(assignment.Releasing, slot) == nil\n", "		return assignment == nil\n"),
		in("internal/reconcile", "TestAMoveStandsUntilWhatItDisplacesIsAskedBack"),
	},
	{
		"runs", "an agenda that is too large forgets a run whose worker may still write checkpoints",
		one("internal/reconcile/runs/runs.go", "slices.IndexFunc(a.rec.Kept, a.mayForget)", "min(len(a.rec.Kept), 1) - 1"),
		in("internal/reconcile", "TestAgendaKeepsRunsThatAreListed"),
	},
	{
		"delay", "a member that has nothing but slots of runs whose agenda cannot be read counts as vanished for as long",
		one("internal/reconcile/members/reap.go", "len(freed)+len(returned) == 0 && was != nil && (was.Left || was.Settled) {", "len(freed)+len(returned) == 0 && (was == nil || was != nil) {"),
		in("internal/reconcile", "TestMembersThatAwaitTheirAgendaAreSettled"),
	},
	{
		"delay", "each leader begins the delay of a member that was settled again",
		one("internal/reconcile/members/delays.go", "		return !assignment.Closed.Left && !assignment.Closed.Settled\n", "		return !assignment.Closed.Left\n"),
		in("internal/reconcile", "TestWait"),
	},
	{
		"delay", "a member that crashed and was settled counts as one that left",
		one("internal/reconcile/members/reap.go", "		case assignment.Closed.Left:\n", "		case assignment.Closed.Left || assignment.Closed.Settled:\n"),
		in("internal/reconcile/members", "TestDepartureOf"),
	},
	{
		"delay", "members that a leader has settled count as departures",
		one("internal/reconcile/members/departures.go", "	return p.Assignment.Rec != nil && p.Assignment.Rec.Closed != nil && p.Assignment.Rec.Closed.Left\n", "	return p.Assignment.Rec != nil && p.Assignment.Rec.Closed != nil && (p.Assignment.Rec.Closed.Left || p.Assignment.Rec.Closed.Settled)\n"),
		in("internal/reconcile", "TestSettledMembersDidNotLeave"),
	},
	{
		"runs", "firings happen twice when the clocks go back",
		one("internal/schedule/schedule.go", "if s.fixed && p.offset < p.former {", "if false {"),
		in("internal/schedule", "TestClocksChange"),
	},
	{
		"programs", "the shim relies on its node",
		one("internal/command/shim_linux.go", "func (s *shim) lapsed() bool { return s.stopBy != 0 && s.clock() >= s.stopBy }", "func (s *shim) lapsed() bool { return false }"),
		in("internal/command", "TestLapses"),
	},
	{
		"programs", "a program outlives its node",
		one("internal/command/shim_linux.go", "		case s.closed:\n			kill = true\n", ""),
		in("internal/command", "TestNodeFails"),
	},
	{
		"programs", "the node relies on the shim",
		one("internal/command/keeper_linux.go", "			case !e.killed.IsZero() && now.Sub(e.killed) > answer:\n				e.force()\n", ""),
		in("internal/command", "TestShimFails"),
	},
	{
		"versions", "a znode is written at the version number that matches any version",
		one("coord/zk/request.go", "		if op.Version > lastVersion || op.Version == lastVersion && op.Kind == coord.KindSet {\n", "		if op.Version < 0 {\n"),
		in("coord/zk", "TestVersionsBeyondInt32"),
	},
	{
		"H23", "a lease counts the timeout that the first server granted, whatever another one does",
		one("coord/zk/session.go", "		ss.info.Base = min(ss.info.Base, sent-less)\n", "		_ = sent\n"),
		in("coord/zk", "TestShorterTimeoutOfAnotherServer"),
	},
	{
		"watches", "a read that an event has overtaken counts as watched",
		one("coord/zk/watch.go", "				if a.events == events {\n", "				if a.events >= events {\n"),
		in("coord/zk", "TestOvertakenReadIsNotArmed"),
	},
	{
		"names", "a refusal leaves the outcome unknown",
		one("coord/zk/errors.go", "{zk.ErrBadArguments, coord.ErrRefused}", "{zk.ErrBadArguments, coord.ErrUnknown}"),
		in("coord/zk", "TestConformance/letters_that_not_every_service_takes"),
	},
	{
		"names", "an operator's write that fails again and again is repeated as quickly each time",
		one("coord/update.go", "backoff.Conflicts.Wait(ctx, failures)", "backoff.Conflicts.Wait(ctx, min(failures, 2))"),
		in("internal/operation", "TestFailuresAreNotRepeatedAtOnce"),
	},
	{
		"names", "a rule for new names also refuses the names in use",
		one("internal/schema/records.go", "	return t.Spec.ValidateStored()\n", "	return t.Spec.Validate()\n"),
		in("internal/schema", "TestUnusableRecords"),
	},
	{
		"programs", "a process whose group cannot be told has the node's group killed",
		one("internal/command/keeper_linux.go", "	if p.Group <= 1 {\n", "	if p.Group < -1 {\n"),
		in("internal/command", "TestVictims"),
	},
	{
		"programs", "nobody cleans up after a shim that was killed",
		one("internal/command/keeper_linux.go", "		e.sweep() // before the wait, which reads the output of the remaining processes\n", ""),
		in("internal/command", "TestShimFails"),
	},
	{
		"programs", "without control groups, processes that have left their parents behind are not searched for",
		[]change{
			{"internal/command/shim_linux.go", "		if !s.reap() {\n			return\n		}\n		proc.KillBelow(os.Getpid())\n", "		if !s.reap() || s.pid == 0 {\n			return\n		}\n		_ = proc.Table\n"},
			{"internal/command/cgroup_linux.go", "	if own == \"\" {\n		return cgroup{}\n", "	if own != \"/\" {\n		return cgroup{}\n"},
		},
		in("internal/command", "TestStop"),
	},
	{
		"programs", "whether a program may run without a lease is fixed when it starts",
		one("internal/command/keeper_linux.go", "			stopBy, changed = e.deadline()\n", "			_, changed = e.deadline()\n"),
		in("internal/command", "TestLeashed"),
	},
	{
		"programs", "a search for what a killed shim has left reads only who is on the list of processes",
		one("internal/proc/search_linux.go", "numbers(older, now)...", "numbers(now, now)..."),
		in("internal/proc", "TestSearchMissesNobody"),
	},
	{
		"programs", "a search does not read again a process number that showed nobody, though its parent may have been in fork",
		one("internal/proc/search_linux.go", "numbers(older, now)...", "numbers(newer, now)..."),
		in("internal/proc", "TestSearchMissesNobody"),
	},
	{
		"programs", "a search reads the list of processes once, though a parent may have been in fork meanwhile",
		one("internal/proc/search_linux.go", "	wholeLists = 2\n", "	wholeLists = 1\n"),
		in("internal/proc", "TestSearchMissesNobody"),
	},
	{
		"programs", "a process in the middle of execve, which shows no environment, is taken for somebody else's",
		one("internal/proc/search_linux.go", "			s.again = append(s.again, pid)\n", "			s.known[pid] = true\n"),
		in("internal/proc", "TestSearchMissesNobody"),
	},
	{
		"programs", "a process that cannot be read for want of file descriptors is taken for dead",
		one("internal/proc/search_linux.go", "		if errors.Is(err, fs.ErrNotExist) {\n			continue\n", "		if err != nil && !errors.Is(err, fs.ErrPermission) {\n			continue\n"),
		in("internal/proc", "TestSearchWhenLooksFail"),
	},
	{
		"programs", "a list of processes that cannot be read is taken for an empty one",
		one("internal/proc/search_linux.go", "			if !ok {\n				return false\n			}\n", "			_ = ok\n"),
		in("internal/proc", "TestSearchWhenLooksFail"),
	},
	{
		"programs", "without the last process number two clean lists are taken for enough, though the numbers may begin again",
		one("internal/proc/lists_linux.go", "	cleanLists = 3\n", "	cleanLists = 2\n"),
		in("internal/proc", "TestNoEvaderGetsPastTheLists"),
	},
	{
		"programs", "a process that has ended between the list and its reading is passed over",
		one("internal/proc/lists_linux.go", "			missed = true // it may have started", "			// it may have started"),
		in("internal/proc", "TestNoEvaderGetsPastTheLists"),
	},
	{
		"programs", "a process that died between the list and its reading is passed over",
		one("internal/proc/lists_linux.go", "			missed = missed || p.Zombie", "			missed = missed || false"),
		in("internal/proc", "TestNoEvaderGetsPastTheLists"),
	},
	{
		"programs", "clean lists count, however long they take",
		one("internal/proc/lists_linux.go", " && k.now()-clean[first] < k.turn() {", " {"),
		in("internal/proc", "TestNoEvaderGetsPastTheLists"),
	},
	{
		"programs", "a list with a process in the middle of execve is clean",
		one("internal/proc/lists_linux.go", "		case Unknown:\n			missed = true\n		}\n", "		}\n"),
		in("internal/proc", "TestNoEvaderGetsPastTheLists"),
	},
	{
		"programs", "the process table of another PID namespace is searched",
		one("internal/proc/search_linux.go", "	if !OwnTable() {\n		return false\n	}\n", ""),
		in("internal/proc", "TestTableOfAnotherNamespace"),
	},
	{
		"programs", "processes are killed by the numbers that they have in another PID namespace",
		one("internal/proc/table_linux.go", "	if !OwnTable() {\n		return 0\n	}\n", ""),
		in("internal/proc", "TestTableOfAnotherNamespace"),
	},
	{
		"programs", "without a process table and without a control group nothing is taken to be left",
		one("internal/command/keeper_linux.go", "	if e.group.dir != \"\" && !proc.OwnTable() {\n", "	if !proc.OwnTable() {\n"),
		in("internal/command", "TestWithoutAProcessTable"),
	},
	{
		"programs", "a control group that cannot be read is taken for empty",
		one("internal/command/cgroup_linux.go", "	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {\n", "	if err != nil || errors.Is(err, fs.ErrNotExist) {\n"),
		in("internal/command", "TestWithoutAProcessTable"),
	},
	{
		"programs", "part of an environment is taken for the whole where the kernel shows lengths",
		one("internal/proc/table_linux.go", "	return err == nil && own.environ < 0\n", "	return err == nil || own.environ < 0\n"),
		in("internal/proc", "TestWholeEnvironment"),
	},
	{
		"failing", "a worker that fails stays where it fails",
		one("internal/reconcile/failures/failures.go", `	if most == 0 || w.InRow < most {
`, `	if most >= 0 {
`),
		in("test/cluster", "TestFailsElsewhere"),
	},
	{
		"plan", "workers of a run move for balance, and begin again",
		one("internal/reconcile/placement/placement.go", `	p.keepRuns(bound.Avoids)
`, ""),
		in("internal/reconcile", "TestRunsStayInThePlan"),
	},
	{
		"plan", "new slots take the room of workers of runs that stay",
		one("internal/reconcile/placement/corrections.go", `	p.placeElsewhere(avoids)
`, ""),
		in("internal/reconcile", "TestRunsBeginWhereThereIsRoom"),
	},
	{
		"poison", "a restart forgets the suspicion against a worker on probation",
		one("internal/reconcile/failures/crashloop.go", "suspected && !d.IsGranted(slot) {", "suspected {"),
		in("internal/reconcile", "TestSuspectsAreTriedAnew"),
	},
	{
		"failing", "a worker that has failed for good is moved for balance, and tried again",
		one("internal/reconcile/placement/placement.go", `	p.keepFailed()
`, ""),
		in("internal/reconcile", "TestFailedForGoodStays"),
	},
	{
		"failing", "a worker that has failed for good leaves before others of its task",
		one("internal/reconcile/placement/placement.go", `	p.addFailed()
`, ""),
		in("internal/reconcile", "TestFailedForGoodStays"),
	},
	{
		"failing", "a work that fails on most nodes counts against those nodes",
		one("internal/reconcile/failures/failures.go", "bad[slot].InRow < quarantineFailures || failsElsewhere(memberID, slot.Task, all)", "bad[slot].InRow < quarantineFailures"),
		in("test/cluster", "TestFailsOnMost"),
	},
	{
		"stop", "a caller that logs waits for the writer of the log",
		one("internal/asynclog/asynclog.go", "	h.queue.Put(entry{h.next, context.WithoutCancel(ctx), own}, cost)\n	return nil\n", "	_ = cost\n	return h.next.Handle(ctx, own)\n"),
		in("test/cluster", "TestNothingStopsTheStop"),
	},
	{
		"stop", "a pool emits while it holds its lock",
		one("internal/worker/worker.go", "	p.events.Put(cluster.Event{Kind: kind, Time: time.Now(), Slot: &s.run.Slot, Token: s.run.Token, Detail: detail}, 1)\n", "	p.cfg.Emit(cluster.Event{Kind: kind, Time: time.Now(), Slot: &s.run.Slot, Token: s.run.Token, Detail: detail})\n"),
		redTest{"internal/worker", "TestNothingStopsTheStop", []string{"-test.timeout=20s"}},
	},
	{
		"stop", "a node waits for a parent that does not listen",
		one("internal/nodesession/supervisor.go", "v.out.Wait(reportTimeout)", "v.out.Wait(reportTimeout * 1000)"),
		in("test/cluster", "TestNothingStopsTheStop"),
	},
	{
		"stop", "a node waits each time for a parent that was too slow",
		one("internal/outbox/latest.go", "		if l.took >= limit {\n			left = 0\n		}\n", ""),
		in("internal/outbox", "TestLatestDoesNotWaitForWhatWasTooSlow"),
	},
	{
		"stop", "watchers do not learn that the node has lost its lease",
		one("internal/nodesession/connection.go", "			s.cfg.Observer.WakeReaders()\n", "			_ = before\n"),
		in("test/cluster", "TestWatchTellsOfALostLease"),
	},
	{
		"leader", "a node that cannot begin a term for want of an epoch does not report that",
		one("internal/election/election.go", "	e.blocked(err)\n", ""),
		in("test/cluster", "TestDamagedEpochStopsGrantsOnly"),
	},
	{
		"leader", "a leader that waits for a service that is away looks as if it hung",
		one("internal/leader/vigil.go", "			l.away.Store(int64(now))\n		}\n		switch", "		}\n		switch"),
		in("test/cluster", "TestAnOutageIsNoHang"),
	},
	{
		"stop", "a node waits for its tracer",
		one("internal/emit/spans.go", "		s.queue.Put(cluster.Span{", "		s.queue.Flush(time.Hour)\n		s.queue.Put(cluster.Span{"),
		in("test/cluster", "TestNothingStopsTheStop"),
	},
	{
		"stop", "a node reports idle while a worker is about to start",
		one("internal/nodesession/supervisor.go", "next.Idle = v.starting == 0 && (", "next.Idle = ("),
		in("test/cluster", "TestIdleIsNotToldWhileAWorkerStarts"),
	},
	{
		"stop", "a parent logs that its child hangs before it kills it",
		[]change{
			{"internal/supervise/supervise.go", "				c.kill() // before the log line: the log may block\n", ""},
			{"internal/supervise/supervise.go", "its lease lapsed without news; killed it\", \"pid\", c.pid)\n", "its lease lapsed without news; killed it\", \"pid\", c.pid)\n				c.kill()\n"},
		},
		in("internal/supervise", "TestAHungChildIsKilledBeforeThatIsLogged"),
	},
	{
		"stop", "heartbeats go on while the loops hang",
		one("internal/membership/maintain.go", "		if !awaitActing(ctx, acts) {\n", "		if s == nil {\n"),
		in("test/cluster", "TestAHungLoopLosesItsLease"),
	},
	{
		"stop", "a membership goes on although its loop hangs",
		one("internal/nodesession/session.go", "	p.Go(\"loops\", func() error { return s.untilHung(living) })\n", ""),
		in("test/cluster", "TestAHungLoopLosesItsLease"),
	},
	{
		"stop", "the end of a membership waits for a part that hangs",
		one("internal/nodesession/stop.go", "const partsLimit = 15 * time.Second\n", "const partsLimit = 15 * time.Hour\n"),
		in("test/cluster", "TestAHungLoopLosesItsLease"),
	},
	{
		"stop", "a process whose loops all hang is not ended",
		one("internal/follower/exittimer.go", "				exit()\n				return\n", "				return\n"),
		in("test/cluster", "TestExitTimer"),
	},
	{
		"stop", "workers that need no lease end their process",
		one("internal/worker/worker.go", "	if !r.Continues() && !r.Ended {\n		p.leased.Add(n)\n	}\n", "	p.leased.Add(n)\n"),
		in("test/cluster", "TestExitTimer"),
	},
	{
		"stop", "workers that do not stop are reported before the process ends",
		one("internal/nodesession/stop.go", "	case <-reported:\n	case <-time.After(limit):\n", "	case <-reported:\n"),
		in("internal/nodesession", "TestAbandonDoesNotWaitForItsReport"),
	},
	{
		"management", "an operation is written without its line in the audit",
		one("internal/operation/audit.go", "	if o.line == nil {\n		return ops\n", "	if len(ops) > 0 {\n		return ops\n"),
		in("test/cluster", "TestAudit"),
	},
	{
		"management", "an operation that was done is reported as not done when its answer is lost and the time is up",
		one("internal/operation/settle.go", "	case done != nil:\n", "	case done != nil && !sent:\n"),
		in("internal/operation", "TestLostAnswers"),
	},
	{
		"management", "an idempotency key is not searched for in the audit",
		one("internal/operation/audit.go", "return l.ID == o.line.ID || l.Key != \"\" && l.Key == o.line.Key\n", "return l.ID == o.line.ID\n"),
		in("internal/operation", "TestKeys"),
	},
	{
		"management", "a leader plans a slot where it is although it has released it for a move",
		one("internal/reconcile/placement/placement.go", `		task.Current[slot.Index], task.Token[slot.Index] = n, pinned
`, `		_ = n
`),
		in("test/cluster", "TestMove"),
	},
	{
		"management", "reaping a member does not record which slots it freed",
		one("internal/reconcile/round/draft.go", `	draft.AddStep(cluster.Decided{Step: cluster.StepFree, Task: r.Task, Slots: r.Slots, Node: node, Token: r.Token}, why)
`, ""),
		in("test/cluster", "TestPast"),
	},
	{
		"management", "slots that an evicted member holds may be granted at once",
		one("internal/schema/records.go", "	d.Evicted = true\n", "	d.Closed = &Closed{By: d.Node}\n"),
		simulated("Safety", 300),
	},
	{
		"management", "an eviction does not list what the member holds beyond its assignment",
		one("internal/schema/records.go", "		d.Adopt(status.Holding, version)\n", "		_ = version\n"),
		in("internal/operation", "TestEvictionsAreWrittenAsPlanned"),
	},
	{
		"management", "requests are served whatever the caller's role",
		one("httpapi/access.go", "		if p == nil {\n			next(ctx)\n", "		if p == nil || p.Status == http.StatusForbidden {\n			next(ctx)\n"),
		in("httpapi", "TestRoles"),
	},
	{
		"management", "a node answers to any host name",
		one("httpapi/internal/access/access.go", "slices.Contains(a.Hosts, \"*\") {", "len(name) > 0 {"),
		in("httpapi", "TestHosts"),
	},
	{
		"management", "followers do not learn that a list has become empty",
		one("httpapi/internal/hub/diff.go", "	whole := append(make([]T, 0, len(list)), list...)\n", "	whole := append([]T(nil), list...)\n"),
		in("httpapi", "TestUpdate"),
	},
	{
		"management", "a follower starts from the beginning whenever it was cut off",
		one("client/follow.go", "header.Set(\"Last-Event-ID\", *last)", "header.Set(\"Last-Event-Id\", \"\")"),
		in("httpapi", "TestFollowWithoutGap"),
	},
	{
		"management", "a deleted token stays valid for browsers that have logged in with it",
		one("httpapi/internal/access/login.go", "		if t.Hash == one.token {\n", "		if t.Hash != one.token {\n"),
		in("httpapi", "TestLogin"),
	},
	{
		"management", "logins with one token end those with another",
		one("httpapi/internal/access/login.go", "		case one.token == t.Hash:\n", "		default:\n"),
		in("httpapi", "TestLoginsOfOneTokenEndNoOthers"),
	},
	{
		"management", "a token has any number of logins",
		one("httpapi/internal/access/login.go", "	if logins >= sessionsPerToken {\n", "	if logins < 0 {\n"),
		in("httpapi", "TestLoginsOfOneTokenEndNoOthers"),
	},
	{
		"management", "a node without any token at the moment is open",
		one("httpapi/internal/access/access.go", "a.Certificates != \"\" || a.Tokens != nil\n", "a.Certificates != \"\" || len(a.All()) > 0\n"),
		in("httpapi", "TestNoTokensLetNobodyIn"),
	},
	{
		"management", "the tokens that were checked at the start are thrown away",
		one("app/internal/config/access.go", "value: a.fromFile, ", ""),
		in("app/internal/config", "TestTokensFileSpoiledBeforeTheFirstRequest"),
	},
	{
		"management", "a file that could not be read is not read again",
		one("app/internal/config/watched.go", "	if stamp == w.stamp && w.failing == \"\" {\n", "	if stamp == w.stamp || w.failing != \"\" {\n"),
		in("app/internal/config", "TestWhatCouldNotBeReadIsReadAgain"),
	},
	{
		"management", "a guesser locks valid tokens at the same address out",
		one("httpapi/internal/access/middleware.go", "	c.From = from\n	if !known {\n", "	c.From = from\n	if m.mistakes.of(source{\"token\", network(from)}).Tokens() < 1 {\n		answer.Send(w, answer.TooFast(\"locked\"))\n		return\n	}\n	if !known {\n"),
		in("httpapi", "TestGuessersKeepNobodyOut"),
	},
	{
		"management", "a guesser with many addresses evicts other callers' records",
		one("httpapi/internal/access/limits.go", "		l.forget(time.Now())\n", "		l.known = nil\n"),
		in("httpapi", "TestFloodsOfAddressesPushNobodyOut"),
	},
	{
		"management", "the caller that is slowed down most is forgotten first",
		one("httpapi/internal/access/limits.go", "return cmp.Compare(a.tokens, b.tokens)", "return cmp.Compare(b.tokens, a.tokens)"),
		in("httpapi", "TestFloodsOfAddressesPushNobodyOut"),
	},
	{
		"management", "a flood of logins keeps a valid one out",
		one("httpapi/internal/access/middleware.go", "	case r.URL.Path == LoginPath:\n		return nil\n", "	case r.URL.Path == LoginPath && m.writes.allow(source{\"\", network(c.From)}):\n		return nil\n"),
		in("httpapi", "TestFloodsOfWritesKeepNobodyOut"),
	},
	{
		"management", "a caller without a role counts against the limit of writers",
		one("httpapi/internal/access/middleware.go", "	case c.Role == \"\" && r.URL.Path != LogoutPath:\n", "	case c.Role == \"\" && r.URL.Path != LogoutPath && m.writes.allow(source{\"\", network(c.From)}):\n"),
		in("httpapi", "TestFloodsOfWritesKeepNobodyOut"),
	},
	{
		"management", "a follower's rights are not checked again",
		one("httpapi/internal/access/shares.go", "				if !m.still(r) {\n", "				if r == nil {\n"),
		in("httpapi", "TestFollowersEndWithTheirRight"),
	},
	{
		"management", "one caller takes all streams",
		one("httpapi/internal/access/shares.go", "	case s.of[there] >= s.address:\n", "	case s.total >= s.all:\n"),
		in("httpapi", "TestShares"),
	},
	{
		"management", "the streams of one caller count for another",
		one("httpapi/internal/access/shares.go", "	who, there := source{c.Name, everywhere}, source{c.Name, network(c.From)}\n", "	who, there := source{c.Name, \"\"}, source{c.Name + \" \" + network(c.From), \"\"}\n"),
		in("httpapi/internal/access", "TestSharesAreOfOneCaller"),
	},
	{
		"management", "a reader joins a log that has ended",
		one("httpapi/internal/peers/tails.go", "	if tail == nil || tail.over() {\n", "	if tail == nil {\n"),
		in("httpapi/internal/peers", "TestJoinAsTheLogEnds"),
	},
	{
		"management", "a reader joins a log while the last reader leaves it",
		one("httpapi/internal/peers/tails.go", "		tail.readers--\n		if tail.readers == 0 {\n			tail.cancel()\n", "		tail.readers--\n		if tail.readers == 0 {\n			t.mu.Unlock()\n			defer tail.cancel()\n			t.mu.Lock()\n"),
		in("httpapi/internal/peers", "TestJoinAsTheLogEnds"),
	},
	{
		"management", "a node passes an answer on that does not prove its origin",
		one("httpapi/internal/peers/proof.go", " || !hmac.Equal([]byte(proof), []byte(p.proof(p.read, data)))", " || !hmac.Equal([]byte(proof), []byte(proof))"),
		in("httpapi", "TestAnswersAreProven"),
	},
	{
		"management", "a recorded answer passes for one to another question",
		one("httpapi/internal/peers/proof.go", "	return sign(secret, \"answer\", q.method, q.uri, q.address, q.nonce, q.number, ", "	return sign(secret, \"answer\", q.nonce, "),
		in("httpapi", "TestRecordedAnswersAreNoAnswers"),
	},
	{
		"management", "a signed request is accepted twice",
		one("httpapi/internal/peers/peers.go", "	if _, again := p.used[nonce]; again {\n", "	if _, again := p.used[nonce]; again && p.key == nil {\n"),
		in("httpapi", "TestRequestsAreNotRepeated"),
	},
	{
		"management", "a request from node to node is answered by whoever is at the address",
		one("httpapi/internal/peers/peers.go", "of != \"\" && of != node.Name()", "of != \"\" && of == node.Name()+\" \""),
		in("httpapi", "TestPeersAreSigned"),
	},
	{
		"management", "each guess has the secret of the nodes read from the store",
		one("httpapi/internal/peers/secret.go", "		return bytes.Equal(s.value, tried) && time.Since(s.at) > secretAgain\n", "		return bytes.Equal(s.value, tried)\n"),
		in("httpapi/internal/peers", "TestStrangersDelayNobody"),
	},
	{
		"management", "each made-up nonce has the secret of the nodes read from the store",
		one("httpapi/internal/peers/peers.go", " && p.own(nonce) {\n", " {\n"),
		in("httpapi/internal/peers", "TestStrangersDelayNobody"),
	},
	{
		"management", "a secret of the nodes that was deleted is in force as long as the node runs",
		one("httpapi/internal/peers/secret.go", "		return time.Since(s.at) > secretLife\n", "		return false\n"),
		in("httpapi/internal/peers", "TestDeletedSecretEnds"),
	},
	{
		"management", "a secret that does not count any longer stays in force",
		one("httpapi/internal/peers/secret.go", "	case s.value == nil || errors.Is(err, ErrNoSecret):\n", "	case s.value == nil:\n"),
		in("httpapi/internal/peers", "TestDeletedSecretEnds"),
	},
	{
		"management", "each node makes a secret of its own",
		one("internal/membership/secret.go", "func(error) (ops []coord.Op, err error) {\n", "func(last error) (ops []coord.Op, err error) {\n			if last != nil && secret != nil {\n				return nil, nil\n			}\n"),
		in("internal/membership", "TestPeerSecretIsMadeOnce"),
	},
	{
		"management", "the secret of the nodes is kept where everybody reads it",
		one("app/internal/config/service.go", "		return s.ZK.Username != \"\"\n	case s.Etcd != nil:\n		return s.Etcd.Username", "		return true\n	case s.Etcd != nil:\n		return s.Etcd.Username"),
		in("app/internal/peers", "TestSecretless"),
	},
	{
		"management", "the secret of the nodes is kept in an etcd that ignores the username",
		one("app/internal/peers/peers.go", "	case open:\n", "	case open && err != nil:\n"),
		in("app/internal/doctor", "TestEtcdThatAsksNobody"),
	},
	{
		"management", "a client certificate counts that etcd does not insist on",
		one("coord/etcd/stranger.go", "		cfg.TLS.Certificates, cfg.TLS.GetClientCertificate = nil, nil\n", ""),
		in("coord/etcd", "TestClientCertificatesThatAreNotAskedFor"),
	},
	{
		"management", "one server of etcd that refuses strangers speaks for all",
		one("coord/etcd/stranger.go", "			refused = true\n", "			return false, nil\n"),
		in("coord/etcd", "TestClientCertificatesThatAreNotAskedFor"),
	},
	{
		"management", "any etcd that is joined counts as that of dev",
		one("app/internal/peers/peers.go", " && (s.Service.Joined == \"\" || !s.Service.Local())\n", " && s.Service.Joined == \"\"\n"),
		in("app/internal/peers", "TestSecretOfAJoinedCluster"),
	},
	{
		"management", "a node announces an address that means each reader's own machine",
		one("app/internal/peers/peers.go", "	names := slices.DeleteFunc(slices.Clone(leaf.DNSNames), ownName)\n", "	names := leaf.DNSNames\n"),
		in("app/internal/peers", "TestReachedWithTLS"),
	},
	{
		"management", "a secret that others may know is accepted",
		one("app/internal/peers/peers.go", "text != \"\" || access.Znodes == 0", "text == \"?\" || access.Znodes == 0"),
		in("app/internal/peers", "TestSharedSecretIsForTheUserAlone"),
	},
	{
		"management", "the reason why a slot left its node is forgotten with the next commit",
		one("internal/reconcile/round/draft.go", `	maps.Copy(draft.FreedWhy, w.FreedWhy)
`, ""),
		in("internal/reconcile", "TestReasonsAreKept"),
	},
	{
		"management", "pages of other sites may make a browser read",
		one("httpapi/internal/access/refusals.go", "strings.HasPrefix(r.URL.Path, \"/api/\")", "strings.HasPrefix(r.URL.Path, \"/apis/\")"),
		in("httpapi", "TestPagesOfOtherSites"),
	},
	{
		"management", "znodes that others may use count as protected",
		one("coord/zk/acl.go", "		case errors.Is(err, coord.ErrNotFound) || err == nil && slices.Equal(acl, ss.store.acl):\n", "		case errors.Is(err, coord.ErrNotFound) || err == nil && len(acl) == len(ss.store.acl):\n"),
		in("coord/zk", "TestProtect"),
	},
	{
		"management", "a znode of another owner keeps the rest from being protected",
		one("coord/zk/acl.go", "				refused = append(refused, key)\n				return nil\n", "				refused = append(refused, key)\n"),
		in("coord/zk", "TestProtect"),
	},
	{
		"management", "a start does not notice open records directly below the root",
		one("coord/zk/acl.go", "	for _, key := range append([]string{root}, top...) {\n", "	for _, key := range []string{root} {\n"),
		in("coord/zk", "TestSampleAccess"),
	},
	{
		"management", "a process with stuck workers waits for its other goroutines",
		one("app/internal/node/node.go", "		if !errors.Is(*err, xconsumer.ErrStuck) {\n			<-done\n", "		if err != nil {\n			<-done\n"),
		in("app/internal/node", "TestAlongsideDelaysNoStuckNode"),
	},
	{
		"management", "a change of two tasks has settled when one of them is seen",
		one("httpapi/wait.go", "			if todo := g.reached(s); todo != \"\" {\n				return todo\n			}\n", "			return g.reached(s)\n"),
		in("httpapi", "TestWaitsUntilItIsSeen"),
	},
	{
		"records", "a commit that is too large is tried again and again",
		one("internal/leader/publish.go", "		if l.omissions.leaveOut(large, l.view.Snapshot()) {\n", "		if l.maxAssignments > 1 && l.omissions.leaveOut(large, l.view.Snapshot()) {\n"),
		in("test/cluster", "TestGoesAroundWhatIsTooLarge"),
	},
	{
		"records", "suspects are kept whatever their number",
		one("internal/reconcile/failures/crashloop.go", `	rec.Limit()
`, ""),
		in("test/cluster", "TestMassPanic"),
	},
	{
		"records", "every error of an ended slot is recorded at once",
		[]change{
			{"internal/follower/ended.go", "schema.SizeOf(&fresh) > d.errors {", "len(reason) < 0 {"},
			{"internal/follower/ended.go", "	if need > d.room {\n", "	if need < 0 {\n"},
		},
		in("test/cluster", "TestManyFailInARun"),
	},
	{
		"records", "a status describes all workers, however many",
		one("internal/follower/ended.go", "	status.Workers = workers[:schema.Fit(workers, schema.MaxStatus-size()-len(`\"workers\":[],`))]\n", "	status.Workers = workers\n"),
		in("internal/follower", "TestStatusIsBounded"),
	},
	{
		"records", "an agenda keeps every error",
		one("internal/reconcile/runs/runs.go", "		a.limit()\n", ""),
		in("internal/reconcile", "TestAgendaIsBounded"),
	},
	{
		"records", "a full assignment still takes every release",
		one("internal/reconcile/release.go", "		if most == 0 || d.fitsAssignment(memberID, assignment) {", "		if most == 0 || d.fitsAssignment(memberID, assignment) || true {"),
		in("internal/reconcile", "TestAssignmentIsBounded"),
	},
	{
		"records", "a closed assignment names every started slot, however many",
		one("internal/schema/records.go", "	c.StartedLast60s = started[:Fit(started, coord.MaxValue-Size(d)-name)]\n", "	c.StartedLast60s = started[:len(started)+0*name*len(coord.ErrTooLarge.Error())]\n"),
		in("internal/schema", "TestClosedAssignmentsAreBounded"),
	},
	{
		"tokens", "a follower starts what a former assignment grants",
		one("internal/follower/known.go", "if k.taken[slot] == h.Token || h.Token > k.highest {", "if k.highest >= 0 {"),
		in("test/cluster", "TestFormerAssignmentStartsNothing"),
	},
	{
		"tokens", "a follower refuses what its assignment grants still",
		one("internal/follower/known.go", "if k.taken[slot] == h.Token || h.Token > k.highest {", "if h.Token > k.highest {"),
		in("internal/follower", "TestKnownGrants"),
	},
	{
		"tokens", "a slot that two assignments list, or that its member refuses, is not released",
		one("internal/reconcile/select.go", `	d.addInvalid(s.invalid)
`, ""),
		in("internal/reconcile", "TestRecall"),
	},
	{
		"tokens", "a held slot is granted elsewhere when a person has taken it out of its assignment",
		one("internal/reconcile/grants.go", `			for i := range p.Status.Rec.Holding {
				d.take(taken, &p.Status.Rec.Holding[i].SlotRange)
			}
`, ""),
		in("internal/reconcile", "TestHeldSlotIsGrantedToNobodyElse"),
	},
	{
		"tokens", "tokens do not rise above what a member has seen",
		one("internal/reconcile/round/facts.go", `			learn(rec.Above)
`, ""),
		in("internal/reconcile", "TestTokensRiseAboveWhatWasRefused"),
	},
	{
		"tokens", "a token that no leader can have granted raises those that follow",
		one("internal/reconcile/round/facts.go", `		if schema.PlausibleToken(token) {
`, `		if token > 0 {
`),
		in("internal/reconcile", "TestRecall"),
	},
	{
		"assignments", "a leader forgets a member without an assignment as soon as its other keys go",
		one("internal/view/store.go", "(p.Assignment.Rec != nil || p.AssignmentMissing)", "p.Assignment.Rec != nil"),
		in("internal/view", "TestMissingFromTheFirst"),
	},
	{
		"versions", "a record counts as known when only its version is",
		one("internal/view/store.go", "old.Version == r.Version && schema.Same(P(old.Rec), r.Value) {", "old.Version == r.Version {"),
		in("internal/view", "TestRemadeRecordsAreSeen"),
	},
	{
		"versions", "a leader deletes the requests when all are applied, and operators read the audit after them",
		[]change{
			{"internal/leader/publish.go", "		ops = append(ops, coord.Set(l.Keys.Requests(), schema.Encode(d.Requests, at+1), at))\n",
				"		if ops = append(ops, coord.Set(l.Keys.Requests(), schema.Encode(d.Requests, at+1), at)); d.Requests.Empty() {\n			ops[len(ops)-1] = coord.Delete(l.Keys.Requests(), at)\n		}\n"},
			{"internal/operation/settle.go", "	w.committing = true\n", "	if late, _, lerr := w.readAudit(ctx); lerr == nil {\n		audit = late\n	}\n	w.committing = true\n"},
		},
		in("test/cluster", "TestNoOrderIsLost"),
	},
	{
		"versions", "a node's last mark is deleted, and the audit is read after it",
		[]change{
			{"internal/operation/operation.go", "	case !p.damaged && string(schema.Encode(rec, p.version)) == string(p.before):\n",
				"	case !keep:\n		return coord.Delete(p.key, p.version), p.version + 1, nil\n	case !p.damaged && string(schema.Encode(rec, p.version)) == string(p.before):\n"},
			{"internal/operation/settle.go", "	w.committing = true\n", "	if late, _, lerr := w.readAudit(ctx); lerr == nil {\n		audit = late\n	}\n	w.committing = true\n"},
		},
		in("test/cluster", "TestNoMarkIsLost"),
	},
	{
		"versions", "an operator does not check that nothing was removed",
		one("internal/operation/operation.go", "	return rec, []coord.Op{coord.Check(o.Keys.Removed(), stored.Version)}, nil\n", "	return rec, nil, nil\n"),
		in("internal/operation", "TestWriteOfARemovedTask"),
	},
	{
		"versions", "a leader removes records without recording that",
		[]change{
			{"internal/leader/remove.go", "		ops = append(ops, coord.Create(l.Keys.Removed(), schema.Encode(r.Record, 0)))\n", ""},
			{"internal/leader/remove.go", "		ops = append(ops, coord.Set(l.Keys.Removed(), schema.Encode(r.Record, version), old.Version))\n", "\t\t_ = schema.Encode(r.Record, version)\n"},
		},
		in("test/cluster", "TestDeclaredAgainIsAnotherTask"),
	},
	{
		"versions", "a task that is declared after a removal has the revisions of the old one",
		one("internal/operation/task.go", "		rec.Generation = max(rec.Generation, e.Removed.Rec.Generation)\n", "		_ = rec\n"),
		in("internal/operation", "TestWriteOfARemovedTask"),
	},
	{
		"growth", "a task's record is removed while an assignment lists its slots",
		one("internal/reconcile/remove.go", "&& !runs && !listed[name]\n", "&& !runs && len(listed) >= 0\n"),
		in("internal/reconcile", "TestWhatIsRemoved"),
	},
	{
		"growth", "a run's checkpoints are deleted while it may still save some",
		one("internal/reconcile/runs/runs.go", " && a.mayForget(id) {", " {"),
		in("internal/reconcile", "TestRunsAreKeptWhileTheyAreListed"),
	},
	{
		"growth", "the checkpoints of a deleted task stay",
		one("internal/leader/sweep.go", "	if len(names) == 0 {\n", "	if len(names) >= 0 {\n"),
		in("test/cluster", "TestDeclaredAgainIsAnotherTask"),
	},
	{
		"growth", "the checkpoints of a run stay",
		one("internal/leader/sweep.go", "range d.DropRuns {", "range d.DropRuns[:0] {"),
		in("test/cluster", "TestCheckpointsGoWithTheirRuns"),
	},
	{
		"growth", "a task inherits the checkpoints of a deleted one of its name",
		one("internal/follower/checkpoint.go", " || rec.Generation != g.Generation {", " {"),
		in("internal/follower", "TestCheckpointIsFenced"),
	},
	{
		"old files", "very old declarations are forgotten",
		one("internal/schema/origin.go", "	return o.Oldest.MayContain(hash), false\n", "	return false, true\n"),
		in("internal/operation", "TestOldFilesRevertNothing"),
	},
	{
		"old files", "a file brings a task back whose record was removed",
		one("internal/operation/declare.go", "	case removed.Seen.MayContain(h):\n", "	case removed.Seen.MayContain(\"\"):\n"),
		in("test/cluster", "TestDeclaredAgainIsAnotherTask"),
	},
	{
		"settings", "a node that starts with earlier settings reverts those that a person has applied",
		one("internal/operation/declare.go", "	rec.Origin = remember(rec.Origin, rec.Spec, spec)\n", ""),
		in("internal/operation", "TestSettings"),
	},
	{
		"settings", "a plan is applied although the settings have changed since",
		one("internal/operation/commit.go", "			there, version = since.Settings.Exists(), since.Settings.Version\n", "			continue\n"),
		in("internal/operation", "TestSettings"),
	},
	{
		"settings", "settings that are not valid are stored",
		one("internal/operation/effect.go", "		if err := op.Settings.Validate(); err != nil {", "		if err := op.Settings.Validate(); err != nil && op.Settings == nil {"),
		in("internal/operation", "TestSettings"),
	},
	{
		"settings", "a request waits for no settings",
		one("httpapi/wait.go", "			if s.State.Settings != *op.Settings {", "			if op.Settings == nil {"),
		in("httpapi", "TestWaitsUntilItIsSeen"),
	},
	{
		"old files", "a file reverts what a person has declared",
		one("internal/operation/task.go", "		rec.Origin = remember(rec.Origin, before, rec.Spec)\n", "		_ = before\n"),
		in("internal/operation", "TestReverts"),
	},
	{
		"versions", "fields of a later version are dropped from the elements of lists",
		one("internal/schema/fields/fields.go", "			keep(field.Index(i), list[i])\n", "			_ = list[i]\n"),
		in("internal/schema", "TestUnknownFieldsAreKeptAtAnyDepth"),
	},
	{
		"scale", "a leader does not look at its own assignments when their members go",
		one("internal/view/read.go", "v.goneSelfWritten(b.rest)\n", "v.goneSelfWritten(nil)\n"),
		in("internal/view", "TestOwnAssignmentsAreReadLater"),
	},
	{
		"scale", "a node that claims is granted more meanwhile",
		one("internal/reconcile/grants.go", "touched || !draft.Full() && !d.claims(memberID) {", "touched || !draft.Full() {"),
		in("internal/reconcile", "TestClaimsAreLeftAlone"),
	},
	{
		"scale", "a node tries only once to close its former member",
		one("internal/nodesession/session.go", "	p.Go(\"former members\", func() error { s.keepClosing(living); return nil })\n", ""),
		in("test/cluster", "TestFormerMemberIsClosedInTheEnd"),
	},
}
