package membership_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// All that ask at once have the same secret, which is made once; a new one is made when it was forgotten.
func TestPeerSecretIsMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Latency: 10 * time.Millisecond}) // so that all find none, and make one
		if _, err := membership.PeerSecret(t.Context(), open(t, service.Client()), keys, false); !errors.Is(err, membership.ErrNoCluster) {
			t.Errorf("without a cluster: %v", err)
		}
		join(t, open(t, service.Client()), "n1")
		all := func() []string {
			got := make([]string, 20)
			var asking sync.WaitGroup
			for i := range got {
				s := open(t, service.Client())
				asking.Go(func() {
					secret, err := membership.PeerSecret(t.Context(), s, keys, false)
					if err != nil {
						t.Error(err)
					}
					got[i] = string(secret)
				})
			}
			asking.Wait()
			slices.Sort(got)
			return slices.Compact(got)
		}
		first := all()
		if len(first) != 1 || len(first[0]) < schema.MinPeerSecret {
			t.Fatalf("%d secrets, the first of %d bytes", len(first), len(first[0]))
		}
		s := open(t, service.Client())
		if deleted, err := membership.ForgetPeerSecret(t.Context(), s, keys); !deleted || err != nil {
			t.Error(deleted, err)
		}
		if deleted, err := membership.ForgetPeerSecret(t.Context(), s, keys); deleted || err != nil {
			t.Error("once more: ", deleted, err)
		}
		if second := all(); len(second) != 1 || second[0] == first[0] {
			t.Errorf("%d secrets after the first was forgotten", len(second))
		}
	})
}

// A record that was damaged is refused, and the error does not show what is in it.
func TestPeerSecretThatIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		s := open(t, service.Client())
		join(t, s, "n1")
		const private = "short-and-private"
		if _, err := s.Commit(t.Context(), coord.Create(keys.PeerSecret(), []byte(`{"v":1,"secret":"`+private+`"}`))); err != nil {
			t.Fatal(err)
		}
		_, err := membership.PeerSecret(t.Context(), open(t, service.Client()), keys, false)
		if !errors.Is(err, schema.ErrCorrupt) || strings.Contains(err.Error(), private) {
			t.Error(err)
		}
	})
}

// A secret that was made where strangers may have read it is replaced, once, by the first that finds the store closed; those that do not
// ask whether it is take what there is.
func TestPeerSecretOfAnOpenStoreIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Latency: 10 * time.Millisecond})
		join(t, open(t, service.Client()), "n1")
		get := func(closed bool, from coord.Session) string {
			secret, err := membership.PeerSecret(t.Context(), from, keys, closed)
			if err != nil {
				t.Error(err)
			}
			return string(secret)
		}
		known := get(false, open(t, service.Client()))
		got := make([]string, 20)
		var asking sync.WaitGroup
		for i := range got {
			s := open(t, service.Client())
			asking.Go(func() { got[i] = get(true, s) })
		}
		asking.Wait()
		if slices.Sort(got); got[0] != got[19] || got[0] == known {
			t.Errorf("the known one is in force: %v; all have the same: %v", slices.Contains(got, known), got[0] == got[19])
		}
		if s := open(t, service.Client()); get(false, s) != got[0] || get(true, s) != got[0] {
			t.Error("it is replaced again")
		}
	})
}
