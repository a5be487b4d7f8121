package view_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Tasks that were deleted and removed are read no longer, by a leader or anybody else; those that a hand deletes stay
// in force for the leader.
func TestRemovedTasksAreForgotten(t *testing.T) {
	for name, options := range map[string][]view.Option{"leader": {view.ForLeader()}, "reader": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				s := open(t, service.Client())
				var counted reads
				v := view.New("test", open(t, counted.intercept(service.Client())), keys, options...)
				defer v.Close()
				commit := func(ops ...coord.Op) {
					t.Helper()
					if _, err := s.Commit(t.Context(), ops...); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 50 {
					task, key := fmt.Sprintf(`{"v":1,"spec":{"name":"t%d","workName":"w","workerNum":1}}`, i), keys.Task(fmt.Sprint("t", i))
					commit(coord.Create(key, []byte(task)))
					refresh(t, v)
					if i == 0 {
						commit(coord.Delete(key, 0)) // by hand
						refresh(t, v)
						continue
					}
					commit(coord.Set(key, []byte(strings.TrimSuffix(task, "}")+`,"deleted":true}`), 0))
					if i%2 == 0 { // else nobody has seen it so
						refresh(t, v)
					}
					commit(coord.Delete(key, 1))
					refresh(t, v)
				}
				want := 0
				if name == "leader" {
					want = 1 + 25 // it removes none itself that it has not seen to be deleted
				}
				if got := len(v.Snapshot().Tasks); got != want {
					t.Errorf("%d tasks are known; want %d", got, want)
				}
				counted.take()
				v.MarkAll()
				refresh(t, v)
				read := slices.DeleteFunc(counted.take(), func(key string) bool { return !strings.HasPrefix(key, "/tasks/") })
				if len(read) != want {
					t.Errorf("%d are read again; want %d", len(read), want)
				}
			})
		})
	}
}
