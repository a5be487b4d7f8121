//go:build unix

package view_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	gozk "github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// remade returns records that a hand deletes and makes again at once: what each says first and then, and what a view
// shows of it.
func remade() []remadeRecord {
	task := func(workers int) string {
		return fmt.Sprintf(`{"v":1,"spec":{"name":"a","workName":"a","workerNum":%d}}`, workers)
	}
	return []remadeRecord{
		{keys.Task("a"), task(1), task(2), func(s *view.Snapshot) any { return s.Tasks["a"].Rec.Spec.WorkerNum }, 2},
		{keys.Settings(), `{"v":1,"spec":{"leaderWorkers":"last"}}`, `{"v":1,"spec":{"leaderWorkers":"none"}}`, func(s *view.Snapshot) any { return string(s.LeaderPolicy()) }, "none"},
		{keys.Mark("n"), `{"v":1,"cordoned":true}`, `{"v":1,"drain":{"slots":3}}`, func(s *view.Snapshot) any { return s.Mark("n").Drain != nil }, true},
		{keys.Requests(), `{"v":1,"version":0,"stepDown":1}`, `{"v":1,"version":0,"stepDown":2}`, func(s *view.Snapshot) any { return s.Requests.Rec.StepDown }, int64(2)},
		{keys.Suspects(), `{"v":1,"version":0,"slots":[]}`, `{"v":1,"version":0,"slots":[{"task":"a","slots":"0","tookDown":["n"],"declared":0}]}`, func(s *view.Snapshot) any { return len(s.Suspects.Rec.Slots) }, 1},
		{keys.TaskRunsOf("a"), `{"v":1,"version":0,"begun":true,"runs":[]}`, `{"v":1,"version":0,"runs":[]}`, func(s *view.Snapshot) any { return s.TaskRuns["a"].Rec.Begun }, false},
		{keys.Assignment("g"), `{"v":1,"version":0,"node":"n","host":"h","sessionTimeout":"10s","granted":[],"releasing":[]}`, `{"v":1,"version":0,"node":"n","host":"i","sessionTimeout":"10s","granted":[],"releasing":[]}`,
			func(s *view.Snapshot) any { return s.Peers["g"].Assignment.Rec.Host }, "i"},
	}
}

type remadeRecord struct {
	key, first, then string
	shown            func(*view.Snapshot) any
	want             any
}

// A record that a hand deletes and makes again has version 0 as before: what is in it is seen all the same.
func TestRemadeRecordsAreSeen(t *testing.T) {
	t.Run("mem", func(t *testing.T) {
		store := mem.New(mem.Config{}).Client()
		seeRemade(t, store, remakeByCommits(t, store))
	})
	t.Run("etcd", func(t *testing.T) {
		store, err := etcd.New(etcd.Config{Endpoints: etcdserver.Start(t, 1).Addresses})
		if err != nil {
			t.Fatal(err)
		}
		seeRemade(t, store, remakeByCommits(t, store))
	})
	t.Run("zk", func(t *testing.T) {
		server := zkserver.Start(t, 1)
		store, err := zk.New(zk.Config{Servers: server.Addresses, TickTime: zkserver.Tick})
		if err != nil {
			t.Fatal(err)
		}
		seeRemade(t, store, remakeByMulti(t, server.Addresses))
	})
}

func remakeByCommits(t *testing.T, store coord.Store) func(key, value string) error {
	s := open(t, store)
	return func(key, value string) error {
		if _, err := s.Commit(t.Context(), coord.Delete(key, 0)); err != nil {
			return err
		}
		_, err := s.Commit(t.Context(), coord.Create(key, []byte(value)))
		return err
	}
}

// remakeByMulti deletes and creates in one transaction: nobody sees it absent.
func remakeByMulti(t *testing.T, servers []string) func(key, value string) error {
	conn, _, err := gozk.Connect(servers, 4*time.Second, gozk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return func(key, value string) error {
		_, err := conn.Multi(&gozk.DeleteRequest{Path: key}, &gozk.CreateRequest{Path: key, Data: []byte(value), Acl: gozk.WorldACL(gozk.PermAll)})
		return err
	}
}

func seeRemade(t *testing.T, store coord.Store, remake func(key, value string) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := open(t, store)
	records := remade()
	for _, r := range records {
		if _, err := s.Commit(ctx, coord.Create(r.key, []byte(r.first))); err != nil {
			t.Fatal(err)
		}
	}
	for name, options := range map[string][]view.Option{"leader": {view.ForLeader()}, "reader": nil} {
		v := view.New("test", s, keys, options...)
		defer v.Close()
		if _, err := v.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if err := remake(r.key, r.then); err != nil {
				t.Fatal(err)
			}
			v.MarkAll() // hints come when they come
			if _, err := v.Refresh(ctx); err != nil {
				t.Fatal(err)
			}
			if got := r.shown(v.Snapshot()); got != r.want {
				t.Errorf("%s: %s is shown as %v; want %v", name, schema.Base(r.key)+" of "+schema.Dir(r.key), got, r.want)
			}
			if err := remake(r.key, r.first); err != nil {
				t.Fatal(err)
			}
		}
	}
}
