package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Listing is one assignment that lists a slot.
type Listing struct {
	MemberID, Node string
	Token          int64
	Granted        bool // otherwise it is being released
}

// Doubles returns the slots that more than one assignment lists, with those assignments, the highest token first. Leaders grant no
// slot that an assignment lists, so one of them was edited manually.
func (s *Snapshot) Doubles() map[cluster.Slot][]Listing {
	var twice map[cluster.Slot][]Listing
	seen := map[string][]bool{} // by task
	far := map[cluster.Slot]bool{}
	for _, p := range s.Peers {
		if p.Assignment.Rec == nil {
			continue
		}
		for slot := range p.Assignment.Rec.Each() {
			var again bool
			if slot.Index >= cluster.MaxWorkers { // the list could have any length if it was edited manually
				again = far[slot]
				far[slot] = true
			} else {
				list := seen[slot.Task]
				if missing := slot.Index + 1 - len(list); missing > 0 {
					list = append(list, make([]bool, missing)...)
					seen[slot.Task] = list
				}
				again = list[slot.Index]
				list[slot.Index] = true
			}
			if again {
				if twice == nil {
					twice = map[cluster.Slot][]Listing{}
				}
				twice[slot] = nil
			}
		}
	}
	if twice == nil {
		return nil
	}
	s.addListings(twice)
	for _, list := range twice {
		slices.SortFunc(list, func(a, b Listing) int {
			return cmp.Or(cmp.Compare(b.Token, a.Token), cmp.Compare(a.MemberID, b.MemberID))
		})
	}
	return twice
}

// addListings adds to each slot the members whose assignments list it.
func (s *Snapshot) addListings(twice map[cluster.Slot][]Listing) {
	for memberID, p := range s.Peers {
		if p.Assignment.Rec == nil {
			continue
		}
		for e := range p.Assignment.Rec.Entries() {
			r := e.Range()
			_, granted := e.(*schema.Granted)
			for _, index := range r.Slots {
				slot := cluster.Slot{Task: r.Task, Index: index}
				if _, is := twice[slot]; is {
					twice[slot] = append(twice[slot], Listing{memberID, p.Assignment.Rec.Node, r.Token, granted})
				}
			}
		}
	}
}

// DescribeListings names the assignments that list a slot.
func DescribeListings(list []Listing) string {
	var parts []string
	for _, h := range list {
		parts = append(parts, fmt.Sprintf("%s under token %d", h.Node, h.Token))
	}
	return strings.Join(parts, " and ")
}
