package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/peers"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// zookeeper checks each server, and reports whether one may serve.
func (d *doctor) zookeeper(ctx context.Context, s config.Settings) bool {
	store, err := zk.New(*s.Service.ZK)
	if err != nil {
		d.report("zookeeper", Wrong, err.Error(), "")
		return false
	}
	asked := s.Service.ZK.SessionTimeout
	serving, leaders := 0, 0
	list := store.Inspect(ctx)
	away := Wrong // the state of a server that does not serve
	if slices.ContainsFunc(list, zkServes) {
		away = warning
	}
	for _, server := range list {
		switch {
		case server.Err != nil:
			d.report(
				"zookeeper",
				away,
				fmt.Sprintf("%s does not answer: %s", server.Address, address.Reason(server.Err)),
				awayFix(away, "[zookeeper] host"),
			)
			continue
		case server.Silent && strings.Contains(server.Said, "not currently serving"):
			d.report(
				"zookeeper",
				away,
				server.Address+" is running but not serving: it has no quorum",
				"start the other servers, or look at its log for why they do not find each other",
			)
			continue
		case server.Silent:
			d.report("zookeeper", warning, server.Address+" does not report its version", "set 4lw.commands.whitelist=srvr,conf in its zoo.cfg")
			serving++
			continue
		case server.Old != nil:
			d.report("zookeeper", Wrong, server.Old.Error(), "upgrade it")
		default:
			d.report("zookeeper", fine, fmt.Sprintf("%s is %s, %s", server.Address, server.Version, server.Mode), "")
		}
		serving++
		if server.Mode == "leader" || server.Mode == "standalone" {
			leaders++
		}
		if server.Tick > s.Service.ZK.TickTime && s.Service.ZK.TickTime > 0 {
			d.report(
				"timeouts",
				Wrong,
				fmt.Sprintf("%s ticks every %v, and [zookeeper] tickTime is %v", server.Address, server.Tick, s.Service.ZK.TickTime),
				fmt.Sprintf("tickTime = %q", server.Tick),
			)
		}
		if server.Longer != nil {
			d.report("timeouts", warning, server.Longer.Error(), "")
		}
		if server.Most > 0 && asked > server.Most || asked < server.Least {
			d.report(
				"timeouts",
				warning,
				fmt.Sprintf("a session timeout of %v is asked for, and %s grants %v to %v", asked, server.Address, server.Least, server.Most),
				"choose a sessionTimeout between, or change minSessionTimeout or maxSessionTimeout of the server",
			)
		}
	}
	d.sameTimeouts(list)
	switch n := len(list); {
	case serving == 0:
	case n > 1 && leaders > 1:
		d.report(
			"quorum",
			Wrong,
			fmt.Sprintf("%d of the %d servers lead: they are not one ensemble", leaders, n),
			"name the servers of one ensemble",
		)
	case n == 1:
		d.report("quorum", warning, "one server: the cluster stops granting while it is down", "three servers survive the loss of one")
	case n%2 == 0:
		d.report("quorum", warning, fmt.Sprintf("%d servers survive no more losses than %d", n, n-1), "an odd number of servers")
	default:
		d.report("quorum", fine, fmt.Sprintf("%d of %d servers serve", serving, n), "")
	}
	return serving > 0
}

// exposureTimeout bounds the check of all records, which takes long in a large cluster.
const exposureTimeout = time.Minute

// zkServes reports whether a server serves. It does so only while it is part of a quorum.
func zkServes(s zk.Server) bool { return s.Err == nil && s.Mode != "" }

// sameTimeouts checks whether all servers grant the same timeouts. A server that grants less applies its own timeout as soon as
// a node moves to it, even if its answer is lost, while the node still counts with the earlier one.
func (d *doctor) sameTimeouts(list []zk.Server) {
	first := -1
	for i, server := range list {
		switch {
		case server.Most == 0:
		case first < 0:
			first = i
		case server.Most != list[first].Most || server.Least != list[first].Least || server.Tick != list[first].Tick:
			d.report(
				"timeouts",
				warning,
				fmt.Sprintf(
					"%s grants %v to %v, and %s %v to %v",
					list[first].Address,
					list[first].Least,
					list[first].Most,
					server.Address,
					server.Least,
					server.Most,
				),
				"give all servers the same tickTime, minSessionTimeout and maxSessionTimeout",
			)
			return
		}
	}
}

// exposure checks whether others than the configured user may access records of the cluster.
func (d *doctor) exposure(ctx context.Context, session coord.Session, keys schema.Keys) {
	ctx, cancel := context.WithTimeout(ctx, exposureTimeout)
	defer cancel()
	defer d.waits("comparing who may use the znodes of the cluster")()
	access, err := zk.CheckAccess(ctx, session, keys.Root())
	switch text, fix := peers.Exposed(access); {
	case text != "":
		d.report("protection", Wrong, text, fix)
	case err != nil:
		d.report("protection", warning, fmt.Sprintf("only %s were checked: %v", plural.Of(access.Znodes, "znode"), err), "try again")
	default:
		d.report("protection", fine, fmt.Sprintf("all %d znodes of the cluster are for the configured user alone", access.Znodes), "")
	}
}
