package access

import "testing"

// Nobody's share is counted for somebody else, whatever they are called: names in certificates may have blanks.
func TestSharesAreOfOneCaller(t *testing.T) {
	s := NewShares("streams", 100, 3, 3)
	for _, c := range []Caller{
		{Name: "ada", From: "10.0.0.1", Proven: true},
		{Name: "ada 10.0.0.1", From: "10.0.0.2", Proven: true},
		{Name: "ada 10.0.0.1 10.0.0.2", From: "10.0.0.3", Proven: true},
		{Name: "", From: "10.0.0.1"},
		{Name: "", From: "", Proven: true},
		{Name: "anonymous", From: "10.0.0.1"},
		{Name: "anonymous", From: "10.0.0.2"},
		{Name: "bob", From: "", Proven: true},
	} {
		for i := range 4 {
			if _, full := s.Take(c); (full == "") != (i < 3) {
				t.Errorf("%+v takes one, with %d already: %q; want three", c, i, full)
			}
		}
	}
}
