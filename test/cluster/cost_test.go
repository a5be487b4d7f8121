package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

// traffic counts what nodes read from the store and write to it, by the kinds of keys.
type traffic struct {
	mu            sync.Mutex
	reads, writes map[string]int
	touched       map[string]bool // members whose assignments were written
}

func (c *traffic) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads, c.writes, c.touched = map[string]int{}, map[string]int{}, map[string]bool{}
}

// kind is the first element of a key below the root.
func kind(key string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(key, root+"/"), "/")
	return name
}

func (c *traffic) intercept(link *mem.Client) coordtest.Interceptor {
	type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)
	read := func(key string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if link.Reachable() { // it is not lost
			c.reads[kind(key)]++
		}
	}
	return coordtest.Interceptor{
		Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
			read(key)
			return next(ctx, key)
		},
		List: func(ctx context.Context, key string, next func(context.Context, string) ([]coord.Entry, error)) ([]coord.Entry, error) {
			read("list of " + kind(key))
			return next(ctx, key)
		},
		Commit: func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
			result, err := next(ctx, ops...)
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, op := range ops {
				if of := kind(op.Key); err == nil && op.Kind != coord.KindCheck && (of == "assignments" || of == "status") {
					c.writes[of]++
					if of == "assignments" {
						c.touched[op.Key] = true
					}
				}
			}
			return result, err
		},
	}
}

// check compares what was counted with what a change may cost. A node is touched if its assignment was written. Each of them is asked
// and answers, and both are read, and the leader reads what it has written once more. One that joins makes two records before that, may
// be granted slots twice, and reads what each node reads at its start, here of settings, too. All records of one that is lost are read,
// and again after the takeover delay.
func (c *traffic) check(t *testing.T, joins, lost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	touched := len(c.touched)
	text := fmt.Sprintf("%d writes %v and %d reads %v for %d nodes", sum(c.writes), c.writes, sum(c.reads), c.reads, touched)
	t.Log(text)
	if touched < 30 || 10*sum(c.writes) > 22*touched+100+30*joins || sum(c.reads) > 3*touched+10+14*joins+8*lost {
		t.Errorf("it took %s", text)
	}
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// A change costs reads and writes for the nodes that it touches only, and few of each.
func TestCostOfAChange(t *testing.T) {
	const nodes, slots = 40, 1200
	for _, c := range []struct {
		name        string
		joins, lost int
	}{
		{"one joins", 1, 0},
		{"five join", 5, 0},
		{"twenty join", 20, 0},
		{"one is lost", 0, 1},
		{"a tenth is lost", 0, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, task("a", slots))
				var count traffic
				count.clear()
				w.intercept = count.intercept
				all := []*proc{w.start("n00")} // it leads
				for i := range nodes - 1 {
					all = append(all, w.begin(fmt.Sprintf("n%02d", i+1)))
				}
				time.Sleep(20 * time.Second)
				stay, gone := all[:nodes-c.lost], all[nodes-c.lost:]
				count.clear()
				for i := range c.joins {
					stay = append(stay, w.begin(fmt.Sprintf("j%02d", i)))
				}
				for _, p := range gone {
					session := p.LastReport().Session
					w.crash(p)
					w.Service.Expire(session)
				}
				time.Sleep(4 * time.Second)
				count.check(t, c.joins, c.lost)
				for _, p := range gone {
					p.Kill()
				}
				slices.Reverse(all)
				w.leave(slices.Concat(stay, gone)...)
			})
		})
	}
}
