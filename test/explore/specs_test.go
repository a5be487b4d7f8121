package explore_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// specWorld is a cluster of one node and one slot whose task is declared again and again: the order in which leaders write specs and
// assignments, and in which the node reads both. A spec is its number of the declaration.
type specWorld struct {
	specHole specHole
	declared int
	most     int  // declarations
	gone     bool // a second node is lost, and its assignment keeps naming the first spec
	epoch    int64
	// nextToken is that of the epoch. Numbers of chunks come from it, too.
	nextToken int64
	// What is stored. The grant names the spec of a declaration, which the leader had in mind.
	assignment schema.Assignment
	version    int64
	meant      int // by the grant, 0 for no grant
	chunks     map[int64]*schema.SpecChunk
	deleted    bool // a hand has deleted a chunk
	// lastDeleted is the last chunk that a hand has deleted, and the hand may make it again. A chunk that was made again has no specs
	// and cannot be read.
	lastDeleted int64
	// The leader knows what is stored as of its last reading. It reads the assignment first, and then the chunks.
	leads struct {
		epoch      int64
		assignment schema.Assignment
		version    int64
		chunks     map[int64]*schema.SpecChunk
		read       bool // both
	}
	flying []specCommit
	// The node has read a version of the assignment, and chunks. It runs a spec, 0 for nothing.
	node struct {
		assignment schema.Assignment
		version    int64
		meant      int
		table      specs.Table
		chunks     map[int64]int64 // the versions in the table
		runs       int
		of         int // the declaration that was meant by the assignment by which it runs
	}
	lost, depose, hands int // how often these may still happen
}

// specCommit is a leader's commit on its way.
type specCommit struct {
	epoch      int64
	assignment *schema.Assignment
	at         int64
	meant      int
	chunks     map[int64]*schema.SpecChunk
	nextToken  int64
	drops      []int64 // chunks that are deleted, each as it was at version 0
}

// specHole leaves out a guard.
type specHole string

const (
	noSpecHole    specHole = ""
	specsLater    specHole = "specs are written after the grants that name them"
	specsDropped  specHole = "specs that are named are not kept"
	specsNewest   specHole = "a node runs the newest spec that it has read"
	specsUnread   specHole = "a node claims without the spec"
	specsUnheard  specHole = "a deleted chunk goes unnoticed"
	noChunkChecks specHole = "chunks are written whatever is there"
)

func specNumber(n int) cluster.TaskSpec {
	return cluster.TaskSpec{Name: "t", WorkName: "t", WorkerNum: 1, Params: cluster.Params(fmt.Sprint(n))}
}

func numberOf(spec *cluster.TaskSpec) (n int) {
	_, _ = fmt.Sscan(string(spec.Params), &n)
	return n
}

func newSpecWorld(h specHole, lost, depose, hands int) specWorld {
	w := specWorld{specHole: h, declared: 1, most: 3, epoch: 1, nextToken: 11, chunks: map[int64]*schema.SpecChunk{}, lost: lost, depose: depose, hands: hands}
	w.assignment = schema.Assignment{Node: "node-a"}
	w.leads.epoch, w.leads.chunks, w.leads.assignment, w.leads.read = 1, w.chunks, w.assignment, true
	w.node.chunks = map[int64]int64{}
	return w
}

// firstSpec names the first spec where a second node is lost.
var firstSpec = schema.SpecRef{Chunk: 1}

// withLostNode is a world in which the assignment of a lost node names the first of several specs.
func withLostNode(most, depose int) specWorld {
	w := newSpecWorld(noSpecHole, 0, depose, 0)
	w.most, w.gone = most, true
	spec := specNumber(1)
	spec.WorkerNum = 2
	w.chunks = map[int64]*schema.SpecChunk{firstSpec.Chunk: {Specs: []schema.StoredSpec{{Name: "t", Spec: spec}}}}
	w.leads.chunks = w.chunks
	return w
}

func (w specWorld) key() string {
	var b strings.Builder
	assignment := func(a schema.Assignment, version int64) {
		fmt.Fprint(&b, version, ":")
		for i := range a.Granted {
			fmt.Fprint(&b, a.Granted[i].Token, a.Granted[i].Ref)
			if a.Granted[i].Spec != nil {
				fmt.Fprint(&b, a.Granted[i].Spec.Params)
			}
		}
		b.WriteByte(';')
	}
	chunks := func(list map[int64]*schema.SpecChunk) {
		for _, number := range slices.Sorted(maps.Keys(list)) {
			fmt.Fprint(&b, number, "@", list[number].Version)
			for _, s := range list[number].Specs {
				fmt.Fprint(&b, " ", s.Spec.Params, "/", s.From)
			}
		}
		b.WriteByte(';')
	}
	fmt.Fprint(&b, w.declared, w.epoch, w.nextToken, w.meant, w.deleted, w.lost, w.depose, w.hands, w.lastDeleted, w.leads.epoch, w.leads.read, w.node.meant, w.node.runs, w.node.of, ";")
	assignment(w.assignment, w.version)
	chunks(w.chunks)
	assignment(w.leads.assignment, w.leads.version)
	chunks(w.leads.chunks)
	assignment(w.node.assignment, w.node.version)
	fmt.Fprint(&b, w.node.chunks, ";")
	for _, c := range w.flying {
		fmt.Fprint(&b, c.epoch, c.at, c.meant)
		if c.assignment != nil {
			assignment(*c.assignment, c.at)
		}
		chunks(c.chunks)
		fmt.Fprint(&b, c.nextToken, c.drops)
	}
	return b.String()
}

func (w specWorld) wrong() string {
	if w.node.runs != w.node.of {
		return fmt.Sprintf("a node runs spec %d under a grant of spec %d", w.node.runs, w.node.of)
	}
	table := specs.Table{}
	for number, chunk := range w.chunks {
		table = table.With(number, chunk)
	}
	for i := range w.assignment.Granted {
		if h := &w.assignment.Granted[i]; !w.deleted && table.Find("t", h.Ref) == nil {
			return fmt.Sprintf("a grant names %s, which is not stored", h.Ref)
		}
	}
	if s := table.Find("t", firstSpec); w.gone && (s == nil || numberOf(&s.Spec) != 1) {
		return "the spec that the lost node was granted is not stored"
	}
	return ""
}

func (w specWorld) stuck() string {
	if w.node.runs != w.declared {
		return fmt.Sprintf("nothing happens any longer, and the node runs spec %d of %d", w.node.runs, w.declared)
	}
	return ""
}

func (w specWorld) steps() []step[specWorld] {
	var list []step[specWorld]
	add := func(next specWorld, format string, args ...any) {
		list = append(list, step[specWorld]{fmt.Sprintf(format, args...), next})
	}
	if w.declared < w.most {
		next := w
		next.declared++
		add(next, "the task is declared with spec %d", next.declared)
	}
	if w.depose > 0 {
		next := w
		next.depose--
		next.epoch++
		next.leads.epoch, next.leads.read = next.epoch, false
		next.leads.assignment, next.leads.version = w.assignment, w.version
		add(next, "another leader reads the assignment")
	}
	if w.hands > 0 {
		for number := range w.chunks {
			next := w
			next.hands--
			next.deleted = true
			next.chunks, next.lastDeleted = without(w.chunks, number), number
			add(next, "a hand deletes chunk %d", number)
		}
		if w.lastDeleted > 0 && w.chunks[w.lastDeleted] == nil {
			next := w
			next.hands--
			next.chunks = maps.Clone(w.chunks)
			next.chunks[w.lastDeleted] = &schema.SpecChunk{}
			add(next, "a hand makes chunk %d again", w.lastDeleted)
		}
	}
	w.leaderSpecSteps(add)
	for i := range w.flying {
		w.specOutcomes(i, add)
	}
	w.nodeSpecSteps(add)
	return list
}

// leaderSpecSteps are those of the leader. It has one commit on its way at most; after one that was refused or lost it reads again.
func (w specWorld) leaderSpecSteps(add func(specWorld, string, ...any)) {
	if !w.leads.read {
		next := w
		next.leads.chunks, next.leads.read = w.chunks, true
		add(next, "the leader reads the chunks")
		return
	}
	for _, c := range w.flying {
		if c.epoch == w.leads.epoch {
			return
		}
	}
	edited := func(number int64, chunk *schema.SpecChunk) bool {
		known := w.leads.chunks[number]
		return known == nil || madeAgain(chunk) && !madeAgain(known)
	}
	if w.specHole != specsUnheard && (len(w.leads.chunks) != len(w.chunks) || anyChunk(w.chunks, edited)) { // a watch shows it
		next := w
		next.leads.read = false
		add(next, "the leader hears that a chunk is gone, or was made again")
	}
	d := reconcile.Decide(round.World{Snapshot: w.specSnapshot(), Self: "a", Now: 3 * time.Second, Timeout: time.Second, MaxAssignments: 90})
	if !d.Writes() {
		return
	}
	c := specCommit{epoch: w.leads.epoch, at: w.leads.version, chunks: maps.Clone(d.SpecChunks), nextToken: d.Token, drops: d.DropSpecs}
	if a := d.Assignments["a"]; a != nil {
		rec := *a
		rec.Granted = slices.Clone(a.Granted)
		for i := range rec.Granted {
			c.meant = numberOf(rec.Granted[i].Spec)
		}
		c.assignment = &rec
	}
	if w.specHole == specsDropped {
		for number, chunk := range c.chunks {
			only := *chunk
			only.Specs = chunk.Specs[len(chunk.Specs)-1:]
			c.chunks[number] = &only
			if chunk.Version > 0 { // and the grants follow later
				c.assignment = nil
			}
		}
	}
	next := w
	next.flying = append(slices.Clone(w.flying), c)
	if later := c; w.specHole == specsLater && len(c.chunks) > 0 && c.assignment != nil {
		later.assignment, c.chunks = nil, nil
		next.flying = append(slices.Clone(w.flying), c, later)
	}
	add(next, "the leader sends a commit: spec %d, %d chunks", c.meant, len(c.chunks))
}

// anyChunk reports whether f holds for any chunk.
func anyChunk(chunks map[int64]*schema.SpecChunk, f func(int64, *schema.SpecChunk) bool) bool {
	for number, chunk := range chunks {
		if f(number, chunk) {
			return true
		}
	}
	return false
}

// madeAgain reports whether a hand has made a chunk again.
func madeAgain(chunk *schema.SpecChunk) bool { return chunk.Version == 0 && len(chunk.Specs) == 0 }

func (w specWorld) specSnapshot() *view.Snapshot {
	task := &schema.Task{Spec: specNumber(w.declared)}
	if w.gone {
		task.Spec.WorkerNum = 2
	}
	assignment := w.leads.assignment
	assignment.Granted = slices.Clone(assignment.Granted)
	s := &view.Snapshot{
		Epoch:      view.Entry[schema.Epoch]{Rec: &schema.Epoch{Term: w.leads.epoch, NextToken: w.nextToken}, Version: w.leads.epoch},
		Suspects:   view.Entry[schema.Suspects]{Absent: true},
		Tasks:      map[string]view.Entry[schema.Task]{"t": {Rec: task}},
		SpecChunks: map[int64]view.Entry[schema.SpecChunk]{},
		Peers: map[string]*view.Peer{"a": {
			Assignment: view.Entry[schema.Assignment]{Rec: &assignment, RecAt: w.leads.version, Version: w.leads.version},
			Status:     view.Entry[schema.Status]{Rec: &schema.Status{}},
			Member:     view.Entry[schema.Member]{Rec: &schema.Member{Member: cluster.Member{Node: "node-a", Works: []string{"t"}}}},
		}},
	}
	for number, chunk := range w.leads.chunks {
		if madeAgain(chunk) {
			s.SpecChunks[number] = view.Entry[schema.SpecChunk]{Err: schema.ErrCorrupt}
			continue
		}
		s.SpecChunks[number] = view.Entry[schema.SpecChunk]{Rec: chunk, RecAt: chunk.Version, Version: chunk.Version}
		s.StoredSpecs = s.StoredSpecs.With(number, chunk)
	}
	s.StoredSpecs.Resolve(assignment.Granted)
	if w.gone {
		count := 2
		lost := []schema.Granted{{SlotRange: schema.SlotRange{Task: "t", Slots: cluster.Indexes{1}, Token: 1}, Count: &count, Ref: firstSpec}}
		s.StoredSpecs.Resolve(lost)
		s.Peers["b"] = &view.Peer{
			Assignment: view.Entry[schema.Assignment]{Rec: &schema.Assignment{Node: "node-b", Granted: lost}},
			Status:     view.Entry[schema.Status]{Absent: true},
			Member:     view.Entry[schema.Member]{Absent: true},
		}
	}
	return s
}

// specOutcomes are what may become of a commit: it applies, or is refused, or lost.
func (w specWorld) specOutcomes(i int, add func(specWorld, string, ...any)) {
	c := w.flying[i]
	next := w
	next.flying = slices.Delete(slices.Clone(w.flying), i, i+1)
	mine := c.epoch == w.leads.epoch
	reread := func(next specWorld) specWorld {
		if mine {
			next.leads.read, next.leads.assignment, next.leads.version = false, next.assignment, next.version
		}
		return next
	}
	if w.lost > 0 {
		gone := next
		gone.lost--
		add(reread(gone), "a commit is lost")
	}
	ok := c.epoch == w.epoch && (c.assignment == nil || c.at == w.version)
	for number, chunk := range c.chunks {
		stored, exists := w.chunks[number]
		ok = ok && (w.specHole == noChunkChecks || exists && stored.Version == chunk.Version-1 || !exists && chunk.Version == 0)
	}
	for _, number := range c.drops {
		ok = ok && w.chunks[number] != nil && w.chunks[number].Version == 0
	}
	if !ok {
		add(reread(next), "a commit is refused")
		return
	}
	next.nextToken, next.chunks = max(w.nextToken, c.nextToken), maps.Clone(w.chunks)
	maps.Copy(next.chunks, c.chunks)
	for _, number := range c.drops {
		delete(next.chunks, number)
	}
	if c.assignment != nil {
		next.assignment, next.version, next.meant = *c.assignment, w.version+1, c.meant
	}
	if mine { // it knows what it has written
		next.leads.assignment, next.leads.version, next.leads.chunks = next.assignment, next.version, maps.Clone(w.leads.chunks)
		maps.Copy(next.leads.chunks, c.chunks)
		for _, number := range c.drops {
			delete(next.leads.chunks, number)
		}
	}
	add(next, "a commit applies: spec %d, %d chunks", c.meant, len(c.chunks))
}

// nodeSpecSteps are those of the node: it reads the assignment, then the chunks that it lacks; then it claims, or changes what runs.
func (w specWorld) nodeSpecSteps(add func(specWorld, string, ...any)) {
	n := w.node
	if n.version != w.version {
		next := w
		next.node.assignment, next.node.version, next.node.meant = w.assignment, w.version, w.meant
		next.node.assignment.Granted = slices.Clone(w.assignment.Granted)
		for i := range next.node.assignment.Granted {
			next.node.assignment.Granted[i].Spec = nil
		}
		next.node.table.Resolve(next.node.assignment.Granted)
		add(next, "the node reads the assignment")
	}
	for _, number := range specs.Unresolved(n.assignment.Granted) {
		chunk, exists := w.chunks[number]
		if version, read := n.chunks[number]; !exists || madeAgain(chunk) || read && version == chunk.Version {
			continue
		}
		next := w
		next.node.table = n.table.With(number, chunk)
		next.node.chunks = maps.Clone(n.chunks)
		next.node.chunks[number] = chunk.Version
		next.node.assignment.Granted = slices.Clone(n.assignment.Granted)
		next.node.table.Resolve(next.node.assignment.Granted)
		add(next, "the node reads chunk %d", number)
	}
	for i := range n.assignment.Granted {
		h := n.assignment.Granted[i]
		runs := 0
		switch newest := n.table.Present("t"); {
		case w.specHole == specsNewest && len(newest) > 0:
			runs = numberOf(&newest[0].Spec)
		case h.Spec != nil:
			runs = numberOf(h.Spec)
		case w.specHole == specsUnread && n.runs == 0:
			runs = -1
		}
		if runs == 0 || runs == n.runs && n.of == n.meant || n.runs == 0 && n.version != w.version { // the claim is checked
			continue
		}
		next := w
		next.node.runs, next.node.of = runs, n.meant
		add(next, "the node runs spec %d", runs)
	}
}

// Whatever the order of reads and writes, a node runs the spec that its grant names, and in the end the last one.
func TestEveryOrderOfSpecs(t *testing.T) {
	for _, c := range []struct {
		name                string
		lost, depose, hands int
	}{
		{"declared again", 0, 0, 0},
		{"commits are lost", 2, 0, 0},
		{"leaders are replaced", 1, 2, 0},
		{"a chunk is deleted by hand", 1, 1, 1},
		{"a chunk is deleted by hand and made again", 0, 0, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen, all, story := walk(newSpecWorld(noSpecHole, c.lost, c.depose, c.hands), specWorld.steps, enough(t, 100_000))
			if story != nil || !all {
				t.Errorf("after %d worlds, all of them: %v\n%s", seen, all, strings.Join(story, "\n"))
			}
			t.Logf("%d worlds", seen)
		})
	}
}

// While the assignment of a lost node names the first spec, a node reads its former assignment and the present chunk. It runs no
// earlier spec than the one that this assignment names, also not for a moment.
func TestSpecsOfALostNode(t *testing.T) {
	for depose := range 2 {
		seen, all, story := walk(withLostNode(5, depose), specWorld.steps, enough(t, 100_000))
		if story != nil || !all {
			t.Errorf("after %d worlds, all of them: %v\n%s", seen, all, strings.Join(story, "\n"))
		}
		t.Logf("%d worlds", seen)
	}
}

// The check of a chunk's version is harmless to leave out as long as everything else holds: of two leaders the former one's commits
// are refused for the epoch, and a leader sends one commit at a time.
func TestTheCheckOfAChunkIsASecondGuard(t *testing.T) {
	t.Parallel()
	seen, all, story := walk(newSpecWorld(noChunkChecks, 1, 1, 0), specWorld.steps, enough(t, 100_000))
	if story != nil || !all {
		t.Errorf("%d worlds, all of them: %v\n%s", seen, all, strings.Join(story, "\n"))
	}
}

// Without its guards it breaks, and the walk finds how.
func TestHolesOfSpecsAreFound(t *testing.T) {
	for hole, want := range map[specHole]string{
		specsLater:   "which is not stored",
		specsDropped: "which is not stored",
		specsNewest:  "under a grant of spec",
		specsUnread:  "under a grant of spec",
		specsUnheard: "nothing happens any longer",
	} {
		t.Run(string(hole), func(t *testing.T) {
			t.Parallel()
			seen, _, story := walk(newSpecWorld(hole, 1, 2, 1), specWorld.steps, enough(t, 100_000))
			if story == nil || !strings.Contains(story[len(story)-1], want) {
				t.Fatalf("%d worlds, and %q is not in them: %v", seen, want, story)
			}
			t.Logf("found after %d worlds:\n%s", seen, strings.Join(story, "\n"))
		})
	}
}
