package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	edits "gitee.com/ken.yang/xconsumer/test/hand"
)

// hand is somebody with a ZooKeeper GUI: it writes what it likes, whatever version there is.
type hand struct {
	w *world
	s coord.Session
}

func (w *world) hand() hand {
	s, err := w.Service.Client().Open(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
	return hand{w, s}
}

const root = "/xconsumer/test"

func (h hand) get(key string) coord.Record {
	h.w.t.Helper()
	r, err := h.s.Get(context.Background(), root+key)
	if err != nil {
		h.w.t.Fatal(err)
	}
	return r
}

func (h hand) set(key, value string) {
	h.w.t.Helper()
	if _, err := h.s.Commit(context.Background(), coord.Set(root+key, []byte(value), h.get(key).Version)); err != nil {
		h.w.t.Fatal(err)
	}
}

func (h hand) del(key string) {
	h.w.t.Helper()
	if _, err := h.s.Commit(context.Background(), coord.Delete(root+key, h.get(key).Version)); err != nil {
		h.w.t.Fatal(err)
	}
}

func (h hand) children(key string) (names []string) {
	h.w.t.Helper()
	entries, err := h.s.List(context.Background(), root+key)
	if err != nil {
		h.w.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

// putBack writes a former value of an assignment again, as the version that comes next.
func (h hand) putBack(key string, former coord.Record) {
	h.w.t.Helper()
	h.set(key, string(edits.AtVersion(former.Value, h.get(key).Version+1)))
}

func wantError(t *testing.T, s cluster.State, path string) {
	t.Helper()
	for _, e := range s.Errors {
		if strings.Contains(e.Error, e.Path) {
			t.Errorf("the record is named twice: %+v", e)
		}
		if e.Path == root+path && e.Error != "" {
			return
		}
	}
	t.Errorf("no error names %s: %+v", path, s.Errors)
}

// handEdit runs two nodes with four workers, lets a hand edit the store and checks that in the
// end all is as before.
func handEdit(t *testing.T, edit func(w *world, h hand, n1, n2 *proc)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		edit(w, w.hand(), n1, n2)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		w.leave(n2, n1)
	})
}

func (h hand) make(key string) {
	h.w.t.Helper()
	if _, err := h.s.Commit(context.Background(), coord.Create(root+key, []byte("by hand"))); err != nil {
		h.w.t.Fatal(err)
	}
}

// scale sets the number of workers of task a by hand, as an operator does.
func (h hand) scale(from, to int) {
	h.w.t.Helper()
	good := string(h.get("/tasks/a").Value)
	h.set("/tasks/a", strings.Replace(good, fmt.Sprintf(`"workerNum":%d`, from), fmt.Sprintf(`"workerNum":%d`, to), 1))
}

func (w *world) candidate(p *proc) string {
	h := w.hand()
	for _, name := range h.children("/election") {
		if strings.HasPrefix(name, p.LastReport().Member) {
			return "/election/" + name
		}
	}
	w.t.Fatalf("%s is not a candidate", p.Name())
	return ""
}
