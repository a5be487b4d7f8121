package ledger

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Member is a member, with what there is to know about its lists.
type Member struct {
	ID     string
	Number int32 // small, and not that of another member
	// MaxToken is the highest plausible token, or number of a chunk of specs, in its records, and MaxGranted the highest token of its
	// grants; less than 0 for none.
	MaxToken, MaxGranted int64
	// Releasing reports whether its assignment asks slots back, Unlisted whether it holds slots that its assignment does not list,
	// and Refused whether it refuses grants.
	Releasing, Unlisted, Refused bool
	// Superseded reports whether its assignment still lists releases that another one supersedes. They are not counted.
	Superseded bool
	// Failing reports whether a worker of it has failed and runs again, and GivenUp whether one has failed for good.
	Failing, GivenUp bool

	// Labels are those of its node by the record LabelsOf, which plans keep here. They are not changed.
	Labels   cluster.Labels
	LabelsOf *schema.Member

	peer     *view.Peer // as of the last update; nil if something else is counted
	content  content
	unlisted []schema.Releasing
}

// content is the lists of a member that are counted. They are never changed.
type content struct {
	granted   []schema.Granted
	releasing []schema.Releasing
	holding   []schema.Claimed // also if the member is not live
	live      bool
}

func contentOf(p *view.Peer) (c content) {
	if rec := p.Assignment.Rec; rec != nil {
		c.granted, c.releasing = rec.Granted, rec.Releasing
	}
	if rec := p.Status.Rec; rec != nil {
		c.holding, c.live = rec.Holding, p.Live()
	}
	return c
}

// same reports whether two lists are one and the same.
func same[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// differing returns two lists without what both begin and end with.
func differing[T any](a, b []T, same func(a, b *T) bool) (ofA, ofB []T) {
	for len(a) > 0 && len(b) > 0 && same(&a[0], &b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && same(&a[len(a)-1], &b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

// sameGrant reports whether two grants count alike.
func sameGrant(a, b *schema.Granted) bool {
	countOfA, knownOfA := a.WorkerCount()
	countOfB, knownOfB := b.WorkerCount()
	return a.Task == b.Task && a.Token == b.Token && a.Spec == b.Spec && a.Ref.Chunk == b.Ref.Chunk &&
		countOfA == countOfB && knownOfA == knownOfB && slices.Equal(a.Slots, b.Slots)
}

func sameClaim(a, b *schema.Claimed) bool { return a.Task == b.Task && slices.Equal(a.Slots, b.Slots) }

// held returns what a live member holds.
func (c *content) held() []schema.Claimed {
	if !c.live {
		return nil
	}
	return c.holding
}

// put counts other lists for a member.
func (l *Ledger) put(m *Member, next content) {
	was := m.content
	listed := !same(was.granted, next.granted) || !same(was.releasing, next.releasing)
	held := !same(was.holding, next.holding) || was.live != next.live
	m.content = next
	if !same(was.granted, next.granted) {
		less, more := differing(was.granted, next.granted, sameGrant)
		l.countGranted(less, m.Number, -1)
		l.countGranted(more, m.Number, 1)
	}
	if !same(was.releasing, next.releasing) {
		l.countReleasing(was.releasing, -1)
		l.countReleasing(next.releasing, 1)
	}
	if held {
		less, more := was.held(), next.held()
		less, more = differing(less, more, sameClaim)
		l.countHeld(less, -1)
		l.countHeld(more, 1)
	}
	if listed || held {
		l.countUnknown(m.unlisted, -1)
		m.unlisted = next.unlisted()
		l.countUnknown(m.unlisted, 1)
	}
	m.Releasing, m.Unlisted = len(next.releasing) > 0, len(m.unlisted) > 0
}

// unlisted returns the slots that a live member holds and its assignment does not list.
func (c *content) unlisted() []schema.Releasing {
	if !c.live || len(c.holding) == 0 {
		return nil
	}
	assignment := schema.Assignment{Granted: c.granted, Releasing: c.releasing}
	return assignment.Unlisted(c.holding)
}

func (m *Member) setTokens() {
	m.MaxToken, m.MaxGranted = -1, -1
	for i := range m.content.granted {
		m.MaxGranted = max(m.MaxGranted, m.content.granted[i].Token)
		m.learn(m.content.granted[i].Token)
		m.learn(m.content.granted[i].Ref.Chunk)
	}
	for i := range m.content.releasing {
		m.learn(m.content.releasing[i].Token)
	}
	for i := range m.content.holding {
		m.learn(m.content.holding[i].Token)
	}
}

func (m *Member) learn(token int64) {
	if schema.PlausibleToken(token) {
		m.MaxToken = max(m.MaxToken, token)
	}
}

// describe notes what else stages want to know of a member.
func (m *Member) describe(p *view.Peer) {
	m.setTokens()
	m.Superseded = len(p.Superseded) > 0
	m.Refused, m.Failing, m.GivenUp = false, false, false
	rec := p.Status.Rec
	if rec == nil {
		return
	}
	m.learn(rec.Above)
	m.Refused = len(rec.Refused) > 0
	for i := range rec.Workers {
		m.Failing = m.Failing || rec.Workers[i].InRow > 0
		m.GivenUp = m.GivenUp || rec.Workers[i].State == cluster.WorkerGivenUp
	}
}
