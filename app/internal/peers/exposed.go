package peers

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Exposed says which znodes of a cluster are not for the configured user alone, and what to do; "" for none.
func Exposed(a zk.Access) (found, fix string) {
	kept := map[string]bool{}
	for _, key := range a.Kept {
		kept[key] = true
	}
	own := func(keys []string) []string { // which the user can change
		return slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return kept[key] })
	}
	another := "another identity"
	if len(a.Owners) > 0 {
		another += " (" + strings.Join(a.Owners, ", ") + ")"
	}
	var parts, fixes []string
	for _, kind := range []struct {
		keys      []string
		what, fix string
	}{
		{own(a.Open), "open to everybody who reaches ZooKeeper", protectFix},
		{own(a.Foreign), "open to another identity as well", protectFix},
		{a.Kept, "owned by " + another, "check username and password first: what is owned by another identity only that can change or delete, " +
			"or ZooKeeper's super user; `cluster protect` cannot"},
	} {
		n := len(kind.keys)
		if n == 0 {
			continue
		}
		verb := "are"
		if n == 1 {
			verb = "is"
		}
		parts = append(parts, fmt.Sprintf("%d of %s %s %s, as %s", n, plural.Of(a.Znodes, "znode"), verb, kind.what, slices.Min(kind.keys)))
		if !slices.Contains(fixes, kind.fix) {
			fixes = append(fixes, kind.fix)
		}
	}
	return strings.Join(parts, "; "), strings.Join(fixes, "; ")
}

// protectFix is the fix for znodes that others may use, and this identity may change.
const protectFix = "give all nodes the username, and run: xconsumer cluster protect"

// sampledAtStart is how many znodes each start compares besides the cluster's root and what is directly below it.
const sampledAtStart = 30

// WarnExposed compares once who may use a sample of the cluster's znodes with the configured user, and logs it if others
// may. A sample, since a fleet that starts together would otherwise read everything once for each node; doctor compares
// all. It has a session of its own.
func WarnExposed(ctx context.Context, s config.Settings, log *slog.Logger) {
	if s.Service.ZK == nil || s.Service.ZK.Username == "" {
		return
	}
	store, err := s.Service.Open(slog.New(slog.DiscardHandler))
	if err != nil {
		return
	}
	session, err := store.Open(ctx)
	if err != nil {
		return // the node says what is wrong
	}
	defer func() { _ = session.Close() }()
	root := schema.NewKeys(s.Cluster).Root()
	access, err := zk.SampleAccess(ctx, session, root, sampledAtStart)
	switch text, fix := Exposed(access); {
	case slices.Contains(access.Kept, root): // the node itself is not let in, and says what to do
	case text != "":
		log.Warn("others may use records of the cluster; a sample was compared, and `xconsumer doctor` compares all", "records", text, "fix", fix)
	case err != nil && ctx.Err() == nil:
		log.Info("could not compare who may use the records of the cluster", "error", err)
	}
}
