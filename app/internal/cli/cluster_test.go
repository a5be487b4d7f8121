package cli

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// slow answers after a while.
type slow struct {
	io.Reader
	after time.Duration
}

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(s.after)
	return s.Reader.Read(p)
}

// An answer to a question may take longer than the limit of the store.
func TestAnswersMayTakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session, err := mem.New(mem.Config{Latency: time.Second}).Client().Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = session.Close() }()
		s := config.Settings{Cluster: "demo", Service: config.Service{Etcd: &etcd.Config{Endpoints: []string{"http://h:1"}}}}
		if _, err := membership.Bootstrap(t.Context(), session, schema.NewKeys("demo"), 0); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			answer string
			gone   bool
		}{{"no\n", false}, {"yes\n", true}} {
			streams := Streams{In: slow{strings.NewReader(c.answer), 3 * storeTimeout}, Err: io.Discard}
			n, err := deleteCluster(t.Context(), session, s, streams, false)
			if (err == nil) != c.gone || (n > 0) != c.gone {
				t.Errorf("%q: %d records, %v", c.answer, n, err)
			}
			_, err = session.Get(t.Context(), schema.NewKeys("demo").Meta())
			if errors.Is(err, coord.ErrNotFound) != c.gone {
				t.Errorf("%q: %v", c.answer, err)
			}
		}
		_, err = deleteCluster(t.Context(), session, s, Streams{}, true)
		if !errors.Is(err, membership.ErrNoCluster) || err.Error() != "no such cluster: demo" {
			t.Errorf("nothing to delete: %v", err)
		}
		// The limit begins with the answer.
		ctx, cancel, err := confirmStore(t.Context(), Streams{In: slow{strings.NewReader("y\n"), time.Hour}, Err: io.Discard}, "go on", false)
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		if end, ok := ctx.Deadline(); !ok || time.Until(end) != storeTimeout {
			t.Errorf("%v are left; want %v", time.Until(end), storeTimeout)
		}
	})
}
