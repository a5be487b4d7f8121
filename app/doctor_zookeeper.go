package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// zookeeper asks each server what it is, and reports whether one may serve.
func (d *doctor) zookeeper(ctx context.Context, s settings) bool {
	store, err := zk.New(*s.service.zk)
	if err != nil {
		d.tell("zookeeper", wrong, err.Error(), "")
		return false
	}
	asked := s.service.zk.SessionTimeout
	serving, leaders := 0, 0
	list := store.Inspect(ctx)
	away := wrong // what one server that does not serve is
	if slices.ContainsFunc(list, zkServes) {
		away = warning
	}
	for _, server := range list {
		switch {
		case server.Err != nil:
			d.tell("zookeeper", away, fmt.Sprintf("%s does not answer: %s", server.Address, address.Reason(server.Err)), awayFix(away, "[zookeeper] host"))
			continue
		case server.Silent && strings.Contains(server.Said, "not currently serving"):
			d.tell("zookeeper", away, server.Address+" runs, and serves nobody: it sees no quorum", "start the other servers, or look at its log for why they do not find each other")
			continue
		case server.Silent:
			d.tell("zookeeper", warning, server.Address+" does not say what it is", "allow it to: 4lw.commands.whitelist=srvr,conf in its zoo.cfg")
			serving++
			continue
		case server.Old != nil:
			d.tell("zookeeper", wrong, server.Old.Error(), "upgrade it")
		default:
			d.tell("zookeeper", fine, fmt.Sprintf("%s is %s, %s", server.Address, server.Version, server.Mode), "")
		}
		if serving++; server.Mode == "leader" || server.Mode == "standalone" {
			leaders++
		}
		if server.Tick > s.service.zk.TickTime && s.service.zk.TickTime > 0 {
			d.tell("timeouts", wrong, fmt.Sprintf("%s ticks every %v, and [zookeeper] tickTime is %v", server.Address, server.Tick, s.service.zk.TickTime), fmt.Sprintf("tickTime = %q", server.Tick))
		}
		if server.Longer != nil {
			d.tell("timeouts", warning, server.Longer.Error(), "")
		}
		if server.Most > 0 && asked > server.Most || asked < server.Least {
			d.tell("timeouts", warning, fmt.Sprintf("a session timeout of %v is asked for, and %s grants %v to %v", asked, server.Address, server.Least, server.Most), "choose a sessionTimeout between, or change minSessionTimeout or maxSessionTimeout of the server")
		}
	}
	d.sameTimeouts(list)
	switch n := len(list); {
	case serving == 0:
	case n > 1 && leaders > 1:
		d.tell("quorum", wrong, fmt.Sprintf("%d of the %d servers lead: they are not one ensemble", leaders, n), "name the servers of one ensemble")
	case n == 1:
		d.tell("quorum", warning, "one server: the cluster stops granting while it is away", "three servers outlive the loss of one")
	case n%2 == 0:
		d.tell("quorum", warning, fmt.Sprintf("%d servers outlive no more losses than %d would", n, n-1), "an odd number of servers")
	default:
		d.tell("quorum", fine, fmt.Sprintf("%d of %d servers serve", serving, n), "")
	}
	return serving > 0
}

// zkServes reports whether a server serves, which it does with a quorum alone.
func zkServes(s zk.Server) bool { return s.Err == nil && s.Mode != "" }

// sameTimeouts looks whether the servers grant alike. One that grants less counts that from when a node has moved to
// it, also if its answer is lost, and the node counts what it was granted before.
func (d *doctor) sameTimeouts(list []zk.Server) {
	first := -1
	for i, server := range list {
		switch {
		case server.Most == 0:
		case first < 0:
			first = i
		case server.Most != list[first].Most || server.Least != list[first].Least || server.Tick != list[first].Tick:
			d.tell("timeouts", warning, fmt.Sprintf("%s grants %v to %v, and %s %v to %v", list[first].Address, list[first].Least, list[first].Most, server.Address, server.Least, server.Most),
				"give all servers the same tickTime, minSessionTimeout and maxSessionTimeout")
			return
		}
	}
}

// exposure looks at whether others than the configured user may use records of the cluster.
func (d *doctor) exposure(ctx context.Context, session coord.Session, keys schema.Keys) {
	ctx, cancel := context.WithTimeout(ctx, storePatience) // a large cluster takes longer than the rest
	defer cancel()
	defer d.waits("comparing who may use the znodes of the cluster")()
	access, err := zk.CheckAccess(ctx, session, keys.Root())
	switch text, fix := exposed(access); {
	case text != "":
		d.tell("protection", wrong, text, fix)
	case err != nil:
		d.tell("protection", warning, fmt.Sprintf("%s were looked at, not all: %v", plural.Of(access.Znodes, "znode"), err), "try again")
	default:
		d.tell("protection", fine, fmt.Sprintf("all %d znodes of the cluster are for the configured user alone", access.Znodes), "")
	}
}
