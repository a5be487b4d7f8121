package report

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// readsAtOnce bounds how many decisions are being read at a time; the sessions pipeline them.
const readsAtOnce = 32

// History keeps the decisions that were read, which never change, and the audit as it was when the cluster
// had a number. The zero value is ready. Its methods may be called from any goroutine.
type History struct {
	mu        sync.Mutex
	decisions map[int64]cluster.Decision
	next      int64
	audit     []cluster.AuditLine
	at        int64 // the cluster's number, 0 for none
}

// Read returns the decisions and the audit of a cluster whose next decision has a number. Decisions that were
// read before are not read again; the audit is, unless at, the number of the cluster, is the same as last time.
func (h *History) Read(ctx context.Context, s coord.Session, keys schema.Keys, next, at int64) (cluster.Decisions, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.decisions == nil || next < h.next { // the service has lost decisions that it had
		h.decisions, h.at = map[int64]cluster.Decision{}, 0
	}
	h.next = next
	var missing []int64
	for n := max(0, next-schema.DecisionRing); n < next; n++ {
		if _, known := h.decisions[n]; !known {
			missing = append(missing, n)
		}
	}
	if err := h.fetch(ctx, s, keys, missing); err != nil {
		return cluster.Decisions{}, err
	}
	maps.DeleteFunc(h.decisions, func(n int64, _ cluster.Decision) bool { return n < next-schema.DecisionRing })
	if h.at == 0 || h.at != at {
		if err := h.readAudit(ctx, s, keys); err != nil {
			return cluster.Decisions{}, err
		}
		h.at = at
	}
	out := cluster.Decisions{Decisions: []cluster.Decision{}, Audit: slices.Clone(h.audit)}
	for _, n := range slices.Sorted(maps.Keys(h.decisions)) {
		out.Decisions = append(out.Decisions, h.decisions[n])
	}
	return out, nil
}

// fetch reads decisions, several at a time. It leaves out those that no longer exist.
func (h *History) fetch(ctx context.Context, s coord.Session, keys schema.Keys, missing []int64) error {
	type answer struct {
		rec *schema.Decision
		err error
	}
	answers := make([]answer, len(missing))
	var wait sync.WaitGroup
	slots := make(chan struct{}, readsAtOnce)
	for i, n := range missing {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			r, err := s.Get(ctx, keys.Decision(n))
			if err == nil {
				answers[i].rec = new(schema.Decision)
				if schema.Decode(keys.Decision(n), r, answers[i].rec) != nil {
					answers[i].rec = nil
				}
			}
			if !errors.Is(err, coord.ErrNotFound) {
				answers[i].err = err
			}
		})
	}
	wait.Wait()
	for i, a := range answers {
		switch {
		case a.err != nil:
			return a.err
		case a.rec != nil:
			h.decisions[missing[i]] = a.rec.Decision
		}
	}
	return nil
}

func (h *History) readAudit(ctx context.Context, s coord.Session, keys schema.Keys) error {
	h.audit = []cluster.AuditLine{}
	r, err := s.Get(ctx, keys.Audit())
	if errors.Is(err, coord.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var rec schema.Audit
	if err := schema.Decode(keys.Audit(), r, &rec); err != nil {
		return err
	}
	h.audit = append(h.audit, rec.Lines...)
	return nil
}
