package operation

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// asking returns an operator whose writes go with a line of the audit.
func (o Operator) asking(by, from, what string) Operator {
	if by != "" {
		o.By = by
	}
	o.line = &cluster.AuditLine{
		ID: strings.ToLower(rand.Text()[:10]), At: time.Now().UTC().Truncate(time.Millisecond), By: o.By, From: from, What: what,
	}
	return o
}

// withAudit adds the line of the audit to a commit. An audit that cannot be read is begun anew.
func (o Operator) withAudit(ctx context.Context, ops ...coord.Op) ([]coord.Op, error) {
	if o.line == nil {
		return ops, nil
	}
	rec, stored, err := o.audit(ctx)
	switch {
	case errors.Is(err, coord.ErrNotFound):
		rec.Add(*o.line)
		return append(slices.Clone(ops), coord.Create(o.Keys.Audit(), schema.Encode(rec, 0))), nil
	case err != nil:
		return nil, err
	}
	rec.Add(*o.line)
	return append(slices.Clone(ops), coord.Set(o.Keys.Audit(), schema.Encode(rec, stored.Version+1), stored.Version)), nil
}

func (o Operator) audit(ctx context.Context) (*schema.Audit, coord.Record, error) {
	rec := &schema.Audit{Lines: []cluster.AuditLine{}}
	stored, err := o.Session.Get(ctx, o.Keys.Audit())
	if err == nil && schema.Decode(o.Keys.Audit(), stored, rec) != nil {
		rec = &schema.Audit{Lines: []cluster.AuditLine{}}
	}
	return rec, stored, err
}

// audited tells whether the line is in the audit: what it says was written with it.
func (o Operator) audited(ctx context.Context) bool {
	if o.line == nil {
		return false
	}
	rec, _, err := o.audit(ctx)
	return err == nil && slices.ContainsFunc(rec.Lines, func(l cluster.AuditLine) bool { return l.ID == o.line.ID })
}
