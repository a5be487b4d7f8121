package schema

import (
	"slices"
	"time"
)

// Span is a stretch of time: the instants after From, up to and including To.
type Span struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to"`
}

// Within reports whether an instant lies in one of the spans.
func Within(spans []Span, at time.Time) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return at.After(s.From) && !at.After(s.To) })
}

// Without returns the spans without the parts that lie in others.
func Without(spans, others []Span) []Span {
	for _, o := range others {
		var left []Span
		for _, s := range spans {
			before, after := Span{s.From, earliest(s.To, o.From)}, Span{latest(s.From, o.To), s.To}
			for _, part := range []Span{before, after} {
				if part.To.After(part.From) {
					left = append(left, part)
				}
			}
		}
		spans = left
	}
	return spans
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
