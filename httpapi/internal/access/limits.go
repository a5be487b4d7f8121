package access

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits are rate limits, one for each source.
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

// forget makes room for at least a tenth of the known sources. It removes those with an unused limit, for which nothing
// changes, and then those nearest to that. So a caller with many addresses does not erase the limit of a source that is
// being slowed down.
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

// allow counts an action of a source, and reports whether it is within the limit.
func (l *limits) allow(who source) bool { return l.of(who).Allow() }
