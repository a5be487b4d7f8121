package schema

import (
	"fmt"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Assignments name the specs of their grants and do not contain them. The specs are in a few shared records, the chunks. A leader
// writes a spec no later than the first grant that names it, in the same commit or an earlier one, and a node reads the chunks that
// it lacks. So an assignment is small, a change of a spec costs one write of a chunk, and one read on each node, and slots that move
// between nodes that have the specs cost none.
//
// A chunk has specs of several revisions, also several of one task: a node runs exactly the one that its grant names, however late
// it reads. A leader keeps each spec as long as an assignment names it or an earlier one of the same name, so a reference never comes
// to name another spec.

// SpecRef names the specs of grants: those that were in force in a chunk at a version of its record.
type SpecRef struct {
	Chunk   int64 // a number that no other chunk ever had: it comes from the counter of tokens
	Version int64
}

// String returns the form that records have.
func (r SpecRef) String() string { return fmt.Sprintf("%d.%d", r.Chunk, r.Version) }

// MarshalText returns the form that records have.
func (r SpecRef) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the form that records have.
func (r *SpecRef) UnmarshalText(text []byte) error {
	chunk, version, found := strings.Cut(string(text), ".")
	c, err := strconv.ParseInt(chunk, 10, 64)
	v, err2 := strconv.ParseInt(version, 10, 64)
	if !found || err != nil || err2 != nil || c < 1 || v < 0 {
		return fmt.Errorf("specs %.40q: want the number of a chunk, a point, and its version", text)
	}
	r.Chunk, r.Version = c, v
	return nil
}

// SpecChunk is a record of specs. Only leaders write it.
type SpecChunk struct {
	versioned
	Specs []StoredSpec `json:"specs"`
}

// StoredSpec is the spec of a task, or of a run of one, from a version of its chunk on until the next one of the same name.
type StoredSpec struct {
	Name string `json:"name"` // of the task, or of the run's slots
	From int64  `json:"from"` // the version
	// Generation is that of the task.
	Generation int64            `json:"generation,omitempty"`
	Spec       cluster.TaskSpec `json:"spec"`
	Unknown    cluster.Unknown  `json:"-"`
}

func (c *SpecChunk) validate() error {
	type revision struct {
		name string
		from int64
	}
	seen := map[revision]bool{}
	for i := range c.Specs {
		s := &c.Specs[i]
		switch task, _ := cluster.SplitRun(s.Name); {
		case s.Spec.Name != task:
			return fmt.Errorf("the spec of %s is that of task %q", s.Name, s.Spec.Name)
		case s.From < 0 || s.From > c.Version:
			return fmt.Errorf("the spec of %s is of version %d, and the record of version %d", s.Name, s.From, c.Version)
		case seen[revision{s.Name, s.From}]:
			return fmt.Errorf("the spec of %s is listed twice for version %d", s.Name, s.From)
		}
		seen[revision{s.Name, s.From}] = true
	}
	return nil
}
