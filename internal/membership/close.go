package membership

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Departure is what is known of a member's keys when it leaves. It saves reading them; what
// turns out to be different is read after all.
type Departure struct {
	Doc           *schema.Doc // nil if unknown
	DocVersion    int64
	StatusVersion int64
	Pulse         Pulse
	Burst         *schema.Burst // nil if it did not lead, or nobody else leaves
}

// Close closes a member of which nothing runs any more: one commit marks its document and
// deletes its other keys, so that its slots are free at once. Keep must have returned.
func Close(ctx context.Context, s coord.Session, keys schema.Keys, self Self, d Departure, by, cause string) error {
	closed := &schema.Closed{By: by, Cause: cause, Clean: true, Burst: d.Burst}
	var ops []coord.Op
	if d.Doc != nil {
		ops = closeKnown(keys, self, d, closed)
	}
	return commitClose(ctx, s, ops, func() ([]coord.Op, error) {
		var err error // it may have stood for election anew since it joined
		if self.Election, err = candidateOf(ctx, s, keys, self.GUID); err != nil {
			return nil, err
		}
		return closeRead(ctx, s, keys, self, s.Info().ID, func(*schema.Status) *schema.Closed { return closed })
	})
}

// Dead is a member whose process has died, and why.
type Dead struct {
	Member, Node string
	Session      string // that its keys are bound to
	By, Cause    string
	// Blame says that what the member ran may have killed its process: what it had started in
	// the last minute is then named, so that it does not take down one node after the other.
	Blame bool
}

// CloseDead closes a member of which nothing runs any more, over a session of somebody else. A
// member that cannot be found is looked for again for a moment, since its join may still be under
// way; then there is nothing to close.
func CloseDead(ctx context.Context, s coord.Session, keys schema.Keys, dead Dead) error {
	const looks, pause = 5, 100 * time.Millisecond
	for look := 1; ; look++ {
		err := closeDead(ctx, s, keys, dead)
		if !errors.Is(err, coord.ErrNotFound) || look == looks {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// CloseFormer closes what a node was before it lost its session, once nothing of that runs any more.
// Without it an evicted member's slots would wait for a session timeout of each new leader. One that
// is not there any more is fine.
func CloseFormer(ctx context.Context, s coord.Session, keys schema.Keys, former Dead) error {
	err := closeDead(ctx, s, keys, former)
	if errors.Is(err, coord.ErrNotFound) {
		return nil
	}
	return err
}

func closeDead(ctx context.Context, s coord.Session, keys schema.Keys, dead Dead) error {
	died := time.Now().UTC().Truncate(time.Millisecond)
	closed := func(status *schema.Status) *schema.Closed {
		c := &schema.Closed{By: dead.By, Cause: dead.Cause}
		if dead.Blame && status != nil {
			c.StartedLast60s = startedSince(status.Holding, died.Add(-suspicion))
			c.At = died
		}
		return c
	}
	self := Self{Member: cluster.Member{GUID: dead.Member, Name: dead.Node}}
	return commitClose(ctx, s, nil, func() ([]coord.Op, error) {
		var err error
		if self.Election, err = candidateOf(ctx, s, keys, dead.Member); err != nil {
			return nil, err
		}
		return closeRead(ctx, s, keys, self, dead.Session, closed)
	})
}

// suspicion is how long ago a slot may have been started to be suspected of a crash.
const suspicion = time.Minute

// startedSince returns the slots that were claimed after a time, by the clock of the machine that
// claimed them, which is this one.
func startedSince(holding []schema.Held, since time.Time) []schema.Held {
	var list []schema.Held
	for _, h := range holding {
		if h.Since.After(since) {
			list = append(list, schema.Held{Task: h.Task, Slots: h.Slots, Token: h.Token, Since: h.Since})
		}
	}
	return list
}

// candidateOf returns a member's candidate key, "" if it has none.
func candidateOf(ctx context.Context, s coord.Session, keys schema.Keys, guid string) (string, error) {
	list, err := s.List(ctx, keys.Elections())
	for _, e := range list {
		if owner, ok := schema.Candidate(e.Name); ok && owner == guid {
			return keys.Elections() + "/" + e.Name, nil
		}
	}
	return "", err
}

// commitClose commits what read returns, or at first ops, until it is done.
func commitClose(ctx context.Context, s coord.Session, ops []coord.Op, read func() ([]coord.Op, error)) error {
	for failures := 0; ; failures++ {
		err := jitter.Backoff(ctx, failures)
		if err != nil {
			return fmt.Errorf("close: %w", err)
		}
		if ops == nil {
			ops, err = read()
			if errors.Is(err, errClosed) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("close: %w", err)
			}
		}
		_, err = s.Commit(ctx, ops...)
		if err == nil {
			return nil
		}
		ops = nil
		failed, ok := coord.FailedCheck(err)
		if ok && (errors.Is(failed, coord.ErrVersion) || errors.Is(failed, coord.ErrNotFound)) {
			continue // it changed since it was read
		}
		if errors.Is(err, coord.ErrUnknown) && ctx.Err() == nil && !errors.Is(err, coord.ErrSessionEnded) {
			continue // read again whether it happened
		}
		return fmt.Errorf("close: %w", err)
	}
}

// closeKnown returns the commit that closes a member whose keys are as they were last seen.
func closeKnown(keys schema.Keys, self Self, d Departure, closed *schema.Closed) []coord.Op {
	doc := *d.Doc
	doc.Close(closed)
	return []coord.Op{
		coord.Set(keys.Doc(self.GUID), schema.Encode(&doc, d.DocVersion+1), d.DocVersion),
		coord.Delete(keys.Member(self.GUID), 0),
		coord.Delete(keys.Status(self.GUID), d.StatusVersion),
		coord.Delete(keys.Heartbeat(self.GUID), d.Pulse.version),
		coord.Delete(keys.Name(self.Name), 0),
		coord.Delete(self.Election, 0),
	}
}

var errClosed = errors.New("closed already")

// closeRead reads the member's keys, all at once, and returns the commit that closes it. Closed
// is given the member's status, nil if there is none that can be used.
func closeRead(ctx context.Context, s coord.Session, keys schema.Keys, self Self, session string, closed func(*schema.Status) *schema.Closed) ([]coord.Op, error) {
	bound := []string{keys.Member(self.GUID), keys.Status(self.GUID), keys.Heartbeat(self.GUID), keys.Name(self.Name)}
	if self.Election != "" {
		bound = append(bound, self.Election)
	}
	type read struct {
		r   coord.Record
		err error
	}
	reads := make([]read, len(bound)+1)
	done := make(chan struct{})
	for i, key := range append(bound, keys.Doc(self.GUID)) {
		go func() {
			reads[i].r, reads[i].err = s.Get(ctx, key)
			done <- struct{}{}
		}()
	}
	for range reads {
		<-done
	}
	d := reads[len(bound)]
	if d.err != nil {
		return nil, d.err
	}
	var doc schema.Doc
	if err := schema.Decode(keys.Doc(self.GUID), d.r, &doc); err != nil {
		return nil, err
	}
	if doc.Closed != nil {
		return nil, errClosed
	}
	var status *schema.Status
	if said := reads[1]; said.err == nil {
		if status = new(schema.Status); schema.Decode(bound[1], said.r, status) != nil {
			status = nil
		}
	}
	doc.Close(closed(status))
	ops := []coord.Op{coord.Set(keys.Doc(self.GUID), schema.Encode(&doc, d.r.Version+1), d.r.Version)}
	for i, key := range bound {
		switch {
		case errors.Is(reads[i].err, coord.ErrNotFound):
		case reads[i].err != nil:
			return nil, reads[i].err
		case reads[i].r.Session == session: // a name may be another's by now
			ops = append(ops, coord.Delete(key, reads[i].r.Version))
		}
	}
	return ops, nil
}
