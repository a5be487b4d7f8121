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
// porcupine whether one order explains all that they were told.
func testLinearizable(e *env) {
	const clients, commits = 4, 25
	s, _ := e.open()
	k := e.key("register")
	e.commit(s, coord.Create(k, nil))
	var (
		mu      sync.Mutex
		history []porcupine.Operation
		workers sync.WaitGroup
		start   = time.Now()
		told    = map[any]int{}
	)
	for id := range clients {
		session, client := e.open()
		workers.Go(func() {
			for n := range commits {
				lose := n%8 == 7
				if lose {
					client.LoseReplies()
				}
				var version int64
				ctx, cancel := context.WithTimeout(e.ctx, 300*time.Millisecond)
				if r, err := session.Get(ctx, k); err == nil {
					version = r.Version
				}
				if rand.IntN(3) == 0 && version > 0 {
					version--
				}
				op := porcupine.Operation{ClientId: id, Input: attempt{version}, Call: int64(time.Since(start))}
				_, err := session.Commit(ctx, coord.Set(k, nil, version))
				cancel()
				op.Return = int64(time.Since(start))
				switch {
				case err == nil:
					op.Output = applied
				case errors.Is(err, coord.ErrVersion):
					op.Output = refused
				case errors.Is(err, coord.ErrUnknown):
					// It may still happen: another client's, for ever.
					op.Output, op.Return, op.ClientId = unknown, math.MaxInt64, clients+id*commits+n
				default:
					e.Errorf("commit: %v", err)
					return
				}
				mu.Lock()
				history = append(history, op)
				told[op.Output]++
				mu.Unlock()
				if lose {
					client.Heal()
				}
			}
		})
	}
	workers.Wait()
	e.Logf("applied %d, refused %d, unknown %d", told[applied], told[refused], told[unknown])
	if told[applied] == 0 || told[refused] == 0 {
		e.Fatal("the history shows no race")
	}
	switch result := porcupine.CheckOperationsTimeout(register.ToModel(), history, limit); result {
	case porcupine.Ok:
	case porcupine.Unknown:
		e.Fatal("no verdict in time")
	default:
		e.Fatalf("history is not linearizable: %+v", history)
	}
}
