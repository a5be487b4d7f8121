package view

import (
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Documents that the owner has written itself are read again, which arms their watches, when it has written none for
// ownQuiet, or after ownMost.
const (
	ownQuiet = 100 * time.Millisecond
	ownMost  = 2 * time.Second
)

// own is the documents that the owner of a view has written and not read since.
type own struct {
	docs       map[string]bool // by key
	hinted     map[string]bool // those whose watch has fired
	since, due time.Duration   // of the first of them, and when they are to be read
}

func (o *own) add(key string, now time.Duration) {
	if len(o.docs) == 0 {
		o.since = now
	}
	o.docs[key] = true
	o.due = min(now+ownQuiet, o.since+ownMost)
}

func (o *own) drop(key string) {
	delete(o.docs, key)
	delete(o.hinted, key)
}

func (o *own) clear() {
	clear(o.docs)
	clear(o.hinted)
}

// putOff leaves out the documents of one's own, until they are due.
func (o *own) putOff(keys []string, now time.Duration) []string {
	if len(o.docs) > 0 && now >= o.due {
		keys = slices.AppendSeq(keys, maps.Keys(o.hinted))
		slices.Sort(keys)
		o.clear()
		return slices.Compact(keys)
	}
	return slices.DeleteFunc(keys, func(key string) bool {
		if o.docs[key] {
			o.hinted[key] = true
		}
		return o.docs[key]
	})
}

// Due is when there will be something to refresh that was put off, 0 if there is nothing.
func (v *View) Due() time.Duration {
	if len(v.own.hinted) == 0 {
		return 0
	}
	return v.own.due
}

// goneOwn returns of these keys' members those that are gone although their documents were put off.
func (v *View) goneOwn(keys []string) (docs, rest []string) {
	for _, key := range keys {
		guid := schema.Base(key)
		p := v.snap.Peers[guid]
		if doc := v.keys.Doc(guid); p != nil && v.own.docs[doc] && (p.Status.Absent || p.Member.Absent) {
			v.own.drop(doc)
			docs = append(docs, doc)
			rest = append(rest, v.keys.Status(guid), v.keys.Member(guid))
		}
	}
	return docs, rest
}

// same tells whether a read has brought nothing new.
func (v *View) same(key string, r coord.Record, err error) bool {
	if err != nil || schema.Dir(key) != v.keys.Docs() {
		return false
	}
	p := v.snap.Peers[schema.Base(key)]
	return p != nil && p.Doc.Good() && p.Doc.Version == r.Version && schema.Same(p.Doc.Rec, r.Value)
}
