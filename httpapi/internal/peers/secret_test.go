package peers

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// keptSecret is a store that keeps a secret.
type keptSecret struct {
	mu    sync.Mutex
	value []byte
	err   error
	takes time.Duration
	reads int
}

func (k *keptSecret) read(ctx context.Context) ([]byte, error) {
	k.mu.Lock()
	k.reads++
	takes := k.takes
	k.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.value, k.err
}

func (k *keptSecret) set(value string, err error, takes time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.value, k.err, k.takes = []byte(value), err, takes
}

func (k *keptSecret) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.reads
}

// asking sends signed questions to a node.
type asking struct {
	*testing.T
	peers *Peers
	serve http.HandlerFunc
}

func newAsking(t *testing.T, kept *keptSecret) *asking {
	a := &asking{T: t, peers: &Peers{Shared: kept.read, Advertise: "n:1"}}
	a.serve = a.peers.Signed(nil, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("private")) })
	return a
}

// with returns what a question is answered that is signed with a secret, over a nonce of the node or another one.
func (a *asking) with(secret, nonce string) int {
	q := question{http.MethodGet, "/peer/v3/lease", "n:1", nonce, "number"}
	r := httptest.NewRequestWithContext(a.Context(), q.method, q.uri, nil)
	r.Header.Set("Authorization", peerScheme+nonce+":"+q.proof([]byte(secret)))
	r.Header.Set(numberHeader, q.number)
	w := httptest.NewRecorder()
	a.serve(w, r)
	if shown := strings.Contains(w.Body.String(), "private"); shown != (w.Code == http.StatusOK) {
		a.Errorf("%d: %s", w.Code, w.Body)
	}
	return w.Code
}

const (
	oldSecret = "the-old-secret-of-the-nodes-of-this-cluster"
	newSecret = "the-new-secret-of-the-nodes-of-this-cluster"
)

// What is signed with a secret that was deleted or replaced is refused within a minute, although nobody has asked with
// the new one; while the store does not answer the last one stays in force.
func TestDeletedSecretEnds(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		err   error
		old   int
	}{
		"it is replaced":             {newSecret, nil, http.StatusUnauthorized},
		"there is none that counts":  {"", ErrNoSecret, http.StatusUnauthorized},
		"the record is cut short":    {"short", nil, http.StatusUnauthorized},
		"the store does not answer":  {"", errors.New("no answer"), http.StatusOK},
		"the same is read once more": {oldSecret, nil, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kept := &keptSecret{value: []byte(oldSecret)}
				a := newAsking(t, kept)
				if got := a.with(oldSecret, a.peers.issue()); got != http.StatusOK {
					t.Fatal(got)
				}
				kept.set(c.value, c.err, 0)
				time.Sleep(secretLife)
				if got, reads := a.with(oldSecret, a.peers.issue()), kept.count(); got != http.StatusOK || reads != 1 {
					t.Errorf("within the bound: %d, after %d reads", got, reads)
				}
				time.Sleep(time.Millisecond)
				if got := a.with(oldSecret, a.peers.issue()); got != c.old {
					t.Errorf("the old one after a minute: %d; want %d", got, c.old)
				}
				if c.value == newSecret {
					if got := a.with(newSecret, a.peers.issue()); got != http.StatusOK {
						t.Errorf("the new one: %d", got)
					}
				}
			})
		})
	}
}

// Strangers do not delay a node with the secret that is known, however long the store takes: nothing is read for a
// number that is not this node's, and nobody waits for what is read for another.
func TestStrangersDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &keptSecret{value: []byte(oldSecret)}
		a := newAsking(t, kept)
		if got := a.with(oldSecret, a.peers.issue()); got != http.StatusOK {
			t.Fatal(got)
		}
		for range 100 {
			a.with("garbage", a.peers.issue())
		}
		if reads := kept.count(); reads != 1 {
			t.Errorf("it was read for guesses: %d times", reads)
		}
		kept.set(oldSecret, nil, time.Hour)
		time.Sleep(secretAgain + time.Millisecond)
		began := time.Now()
		for range 10 {
			if got := a.with("garbage", "1.made-up.number"); got != http.StatusUnauthorized {
				t.Error(got)
			}
		}
		if reads, took := kept.count(), time.Since(began); reads != 1 || took > 0 {
			t.Errorf("numbers of nobody: %d reads, %v", reads, took)
		}
		var strangers sync.WaitGroup
		for range 10 {
			nonce := a.peers.issue()
			strangers.Go(func() { a.with("garbage", nonce) })
		}
		synctest.Wait() // they wait for the store
		if reads := kept.count(); reads != 2 {
			t.Errorf("%d reads; want one for all strangers", reads-1)
		}
		if got, took := a.with(oldSecret, a.peers.issue()), time.Since(began); got != http.StatusOK || took > 0 {
			t.Errorf("a node with the secret: %d after %v", got, took)
		}
		strangers.Wait()
	})
}

// Who gives up does not wait for the store, and others go on waiting.
func TestSecretIsAwaitedNoLongerThanAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &keptSecret{value: []byte(oldSecret), takes: 3 * time.Second}
		p := &Peers{Shared: kept.read}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var other sync.WaitGroup
		other.Go(func() {
			if got, err := p.secret(t.Context()); string(got) != oldSecret || err != nil {
				t.Errorf("who waits: %d bytes, %v", len(got), err)
			}
		})
		if got, err := p.secret(ctx); got != nil || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("who gives up: %d bytes, %v, after %v", len(got), err, time.Since(began))
		}
		other.Wait()
		if kept.count() != 1 {
			t.Errorf("%d reads", kept.count())
		}
	})
}
