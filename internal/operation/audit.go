package operation

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// asking returns an operator whose writes go with a line of the audit. Operations are distinguished by their JSON, and keys by their
// callers.
func (o Operator) asking(caller cluster.Caller, what string, body any) Operator {
	line := &cluster.AuditLine{ID: strings.ToLower(rand.Text()[:10]), At: time.Now().UTC().Truncate(time.Millisecond), What: what}
	if caller.Key != "" {
		line.Key, line.Sum = digest(caller.By, caller.Key), digest(body)
	}
	o.By, line.By, line.From = whose(o.By, caller.By, caller.From)
	o.line, o.stamp = line, Stamp{By: o.By, At: line.At}
	return o
}

// unnamed is the name of a caller that the node cannot name.
const unnamed = "anonymous"

// whose returns the caller of an operation, for records that have one field for it, and the two fields of a line of the audit: the
// caller, and the address with the node. A call without a name and an address comes from the node itself.
func whose(node, by, from string) (asker, who, where string) {
	switch {
	case from == "":
		who = cmp.Or(by, node)
		return who, who, ""
	case by == "":
		return unnamed + " at " + from, unnamed, from + ", over " + node
	}
	return by, by, from + ", over " + node
}

func digest(of ...any) string {
	text, err := json.Marshal(of)
	if err != nil {
		panic(fmt.Sprintf("operation: %T cannot be marshalled: %v", of, err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// audit is the audit as it was read.
type audit struct {
	rec    *schema.Audit
	stored coord.Record
	absent bool
}

// readAudit reads the audit, and returns its line of this operation, nil if it was not done: the operator's own line, or an
// earlier one under its key. An unreadable audit is replaced by an empty one.
func (o Operator) readAudit(ctx context.Context) (a audit, done *cluster.AuditLine, err error) {
	a.rec = &schema.Audit{Lines: []cluster.AuditLine{}}
	if o.line == nil {
		return a, nil, nil
	}
	a.stored, err = o.Session.Get(ctx, o.Keys.Audit())
	switch {
	case errors.Is(err, coord.ErrNotFound):
		a.absent = true
		return a, nil, nil
	case err != nil:
		return a, nil, err
	}
	if schema.Decode(o.Keys.Audit(), a.stored, a.rec) != nil {
		a.rec = &schema.Audit{Lines: []cluster.AuditLine{}}
	}
	at := slices.IndexFunc(a.rec.Lines, func(l cluster.AuditLine) bool {
		return l.ID == o.line.ID || l.Key != "" && l.Key == o.line.Key
	})
	if at < 0 {
		return a, nil, nil
	}
	done = &a.rec.Lines[at]
	if done.Sum != o.line.Sum {
		other := ""
		if strings.TrimSuffix(done.What, inPlace) == o.line.What {
			other = ", with other " + o.differs
		}
		return a, nil, fmt.Errorf("%w: it was given with %q%s, at %s", cluster.ErrKeyReused, done.What, other, done.At.Format(time.RFC3339))
	}
	return a, done, nil
}

// withLine adds the operator's line to a commit, bound to the audit as it was read.
func (o Operator) withLine(a audit, revision string, ops []coord.Op) []coord.Op {
	if o.line == nil {
		return ops
	}
	line := *o.line
	line.Revision = revision
	a.rec.Add(line)
	if a.absent {
		return append(slices.Clone(ops), coord.Create(o.Keys.Audit(), schema.Encode(a.rec, 0)))
	}
	return append(slices.Clone(ops), coord.Set(o.Keys.Audit(), schema.Encode(a.rec, a.stored.Version+1), a.stored.Version))
}
