package coordtest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"gitee.com/ken.yang/xconsumer/coord"
)

// attempt is one checked commit of the history: a set at a version.
type attempt struct{ version int64 }

type outcome int

const (
	applied outcome = iota
	refused
	unknown
)

// register is a key of which only the version matters. A commit of unknown outcome may have
// taken effect at any time after it began, or never.
var register = porcupine.NondeterministicModel{
	Init: func() []any { return []any{int64(0)} },
	Step: func(state, input, output any) []any {
		have, _ := state.(int64)
		tried, _ := input.(attempt)
		want := tried.version
		switch output {
		case applied:
			if have == want {
				return []any{have + 1}
			}
		case refused:
			if have != want {
				return []any{have}
			}
		case unknown:
			if have == want {
				return []any{have, have + 1}
			}
			return []any{have}
		}
		return nil
	},
}

// testLinearizable lets clients race for one key while their replies get lost, and asks
// porcupine whether one order explains all answers.
func testLinearizable(e *env) {
	const clients = 4
	s, _ := e.open()
	r := race{env: e, key: e.key("register"), start: time.Now(), answers: map[any]int{}}
	e.commit(s, coord.Create(r.key, nil))
	var running sync.WaitGroup
	for id := range clients {
		session, client := e.open()
		running.Go(func() { r.run(id, clients, session, client) })
	}
	running.Wait()
	e.Logf("applied %d, refused %d, unknown %d", r.answers[applied], r.answers[refused], r.answers[unknown])
	if r.answers[applied] == 0 || r.answers[refused] == 0 {
		e.Fatal("the history shows no race")
	}
	switch result := porcupine.CheckOperationsTimeout(register.ToModel(), r.history, limit); result {
	case porcupine.Ok:
	case porcupine.Unknown:
		e.Fatal("no verdict in time")
	default:
		e.Fatalf("history is not linearizable: %+v", r.history)
	}
}

// race has clients set one key, and records the history of their commits.
type race struct {
	*env
	key   string
	start time.Time

	mu      sync.Mutex
	history []porcupine.Operation
	answers map[any]int // how many commits had each answer
}

// run makes the commits of one of the clients.
func (r *race) run(id, clients int, session coord.Session, client Client) {
	const commits = 25
	for n := range commits {
		lose := n%8 == 7
		if lose {
			client.LoseReplies()
		}
		op, err := r.set(session)
		op.ClientId = id
		switch {
		case err == nil:
			op.Output = applied
		case errors.Is(err, coord.ErrVersion):
			op.Output = refused
		case errors.Is(err, coord.ErrUnknown):
			// It may still happen: another client's, for ever.
			op.Output, op.Return, op.ClientId = unknown, math.MaxInt64, clients+id*commits+n
		default:
			r.Errorf("commit: %v", err)
			return
		}
		r.mu.Lock()
		r.history = append(r.history, op)
		r.answers[op.Output]++
		r.mu.Unlock()
		if lose {
			client.Heal()
		}
	}
}

// set sets the key at the version that it has or, at times, had.
func (r *race) set(session coord.Session) (op porcupine.Operation, err error) {
	var version int64
	ctx, cancel := context.WithTimeout(r.ctx, 300*time.Millisecond)
	defer cancel()
	if record, err := session.Get(ctx, r.key); err == nil {
		version = record.Version
	}
	if rand.IntN(3) == 0 && version > 0 {
		version--
	}
	op = porcupine.Operation{Input: attempt{version}, Call: int64(time.Since(r.start))}
	_, err = session.Commit(ctx, coord.Set(r.key, nil, version))
	op.Return = int64(time.Since(r.start))
	return op, err
}
