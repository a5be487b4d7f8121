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

// Exposed describes the znodes of a cluster that others than the configured user may access, and the fix; "" for none.
func Exposed(a zk.Access) (found, fix string) {
	kept := map[string]bool{}
	for _, key := range a.Kept {
		kept[key] = true
	}
	own := func(keys []string) []string { // those that the user can change
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

// protectFix is the fix for znodes that others may access and this identity may change.
const protectFix = "give all nodes the username, and run: xconsumer cluster protect"

// sampledAtStart is how many znodes each start checks in addition to the cluster's root and its children.
const sampledAtStart = 30

// WarnExposed checks the ACLs of a sample of the cluster's znodes once, and logs a warning if others than the configured user
// may access them. It checks only a sample, because a fleet that starts together would otherwise read everything once per
// node; doctor checks all. It opens its own session.
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
		return // the node reports the error
	}
	defer func() { _ = session.Close() }()
	root := schema.NewKeys(s.Cluster).Root()
	access, err := zk.SampleAccess(ctx, session, root, sampledAtStart)
	switch text, fix := Exposed(access); {
	case slices.Contains(access.Kept, root): // the node itself has no access, and reports the fix
	case text != "":
		log.Warn("others may use records of the cluster; a sample was compared, and `xconsumer doctor` compares all", "records", text, "fix", fix)
	case err != nil && ctx.Err() == nil:
		log.Info("could not compare who may use the records of the cluster", "error", err)
	}
}
