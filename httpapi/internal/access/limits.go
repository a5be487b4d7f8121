package access

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits slow callers down, each by itself.
type limits struct {
	every rate.Limit
	burst int

	mu    sync.Mutex
	known map[source]*rate.Limiter
}

func (l *limits) of(who source) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.known[who]
	if limiter != nil {
		return limiter
	}
	if len(l.known) >= maxKnown {
		l.forget(time.Now())
	}
	if l.known == nil {
		l.known = map[source]*rate.Limiter{}
	}
	limiter = rate.NewLimiter(l.every, l.burst)
	l.known[who] = limiter
	return limiter
}

// forget makes room for a tenth of those who are known, at least. Those at rest go first, for whom nothing changes, and
// then those who are nearest to it: whoever comes from many addresses pushes out none who is slowed down.
func (l *limits) forget(now time.Time) {
	type left struct {
		who    source
		tokens float64
	}
	var active []left
	for who, limiter := range l.known {
		if tokens := limiter.TokensAt(now); tokens < float64(l.burst) {
			active = append(active, left{who, tokens})
		} else {
			delete(l.known, who)
		}
	}
	const most = maxKnown * 9 / 10
	slices.SortFunc(active, func(a, b left) int { return cmp.Compare(a.tokens, b.tokens) })
	for _, one := range active[min(most, len(active)):] {
		delete(l.known, one.who)
	}
}

// allow counts what somebody does, and reports whether they may.
func (l *limits) allow(who source) bool { return l.of(who).Allow() }
