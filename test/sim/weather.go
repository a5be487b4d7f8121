package sim

import (
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord/mem"
)

// storms are times in which requests go wrong.
type storms struct {
	mu    sync.Mutex
	until map[int]time.Duration // by client, 0 for all
	rate  map[int]float64
	deaf  bool // hints get lost, too
}

func (s *storms) begin(client int, until time.Duration, rate float64, deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until, s.rate = map[int]time.Duration{}, map[int]float64{}
	}
	s.until[client], s.rate[client], s.deaf = until, rate, deaf
}

func (s *storms) calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until, s.rate = nil, nil
}

// strength returns how likely it is that a client's request goes wrong.
func (s *storms) strength(client int, now time.Duration) (rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range []int{0, client} {
		if now < s.until[c] {
			rate = max(rate, s.rate[c])
		}
	}
	return rate
}

func (s *storms) isDeaf(now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deaf && now < s.until[0]
}

// weather decides what becomes of each request, and how late everything is heard of.
type weather struct {
	storms
	*tally
	dice   dice
	byHand int // the client that edits by hand: its requests go well
}

// outcome decides what becomes of a request.
func (w *weather) outcome(r mem.Request) mem.Delivery {
	about := []int64{int64(r.Client), int64(r.At), int64(r.Nth)}
	kind := r.Key
	if r.Commit {
		kind += "!"
	}
	f := mem.Delivery{There: w.dice.upTo(time.Millisecond, "there "+kind, about...), Back: w.dice.upTo(time.Millisecond, "back "+kind, about...)}
	rate := w.strength(r.Client, r.At)
	if r.Client == w.byHand || rate == 0 || !w.dice.chance(rate, "fault "+kind, about...) {
		return f
	}
	slow := w.dice.upTo(3*time.Second, "slow "+kind, about...)
	switch w.dice.pick(5, "which "+kind, about...) {
	case 0:
		f.Lost = true
		w.count("commit lost")
	case 1:
		f.Mute = true
		w.count("answer lost")
	case 2:
		f.Late, f.There = true, slow
		w.count("late commit")
	case 3:
		f.There += slow
		w.count("slow request")
	default:
		f.Back += slow
		w.count("slow answer")
	}
	return f
}

// lag is how far servers are behind; the first is the store's own.
func (w *weather) lag(server int, change int64) time.Duration {
	if server == 0 {
		return w.dice.upTo(10*time.Microsecond, "lag0", change)
	}
	lag := w.dice.upTo(5*time.Millisecond, "lag", int64(server), change)
	if w.dice.chance(0.02, "far behind", int64(server), change) {
		lag *= 20
	}
	return lag
}

// touch is how late the service hears that a server has heard of a session.
func (w *weather) touch(session string, at time.Duration) time.Duration {
	return w.dice.upTo(tick/2, "touch "+session, int64(at))
}

// hint is how late a client hears of a change.
func (w *weather) hint(n mem.Notice) time.Duration {
	about := []int64{int64(n.At), int64(n.Watch)}
	if w.isDeaf(n.At) && w.dice.chance(0.2, "hint lost "+n.Key, about...) {
		w.count("hint lost")
		return -1
	}
	return 1 + w.dice.upTo(200*time.Microsecond, "hint "+n.Session+n.Key, about...)
}
