package httpapi

import "testing"

// Nobody's share is counted for somebody else, whatever they are called: names in certificates may have blanks.
func TestSharesAreOfOneCaller(t *testing.T) {
	s := newShares("streams", 100, 3, 3)
	for _, c := range []caller{
		{name: "ada", from: "10.0.0.1", proven: true},
		{name: "ada 10.0.0.1", from: "10.0.0.2", proven: true},
		{name: "ada 10.0.0.1 10.0.0.2", from: "10.0.0.3", proven: true},
		{name: "", from: "10.0.0.1"},
		{name: "", from: "", proven: true},
		{name: "somebody", from: "10.0.0.1"},
		{name: "somebody", from: "10.0.0.2"},
		{name: "bob", from: "", proven: true},
	} {
		for i := range 4 {
			if _, full := s.take(c); (full == "") != (i < 3) {
				t.Errorf("%+v takes one, with %d already: %q; want three", c, i, full)
			}
		}
	}
}
