package doctor

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/peers"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/plural"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// peers checks whether nodes can request logs, stacks and leases from each other: by the configuration, and by a request to
// each node that runs.
func (d *doctor) peers(ctx context.Context, session coord.Session, s config.Settings, members []coord.Entry) {
	r := peers.Reached(ctx, s, s.Listen)
	why, unasked := peers.Secretless(s), error(nil)
	if why == "" && s.Listen != "off" {
		why, unasked = peers.OpenStore(ctx, s)
	}
	switch {
	case s.Listen == "off":
		d.report("peers", fine, "other nodes cannot show the logs of this node's workers: it has no HTTP API", "")
	case why != "":
		d.report("peers", warning, peers.Peerless+": "+why, peers.SecretFix(s))
	case unasked != nil:
		d.report("peers", warning, unasked.Error(), "fix the problems of etcd first")
	case r.Trouble != "":
		d.report("peers", warning, "other nodes cannot show the logs of this node's workers: "+r.Trouble, r.Fix)
	default:
		d.ask(ctx, session, s, r.Advertise, members)
	}
}

const (
	maxAsked    = 100 // nodes
	askPatience = 5 * time.Second
)

// ask sends each node the request that another node would send it. This node is among them if it runs, so that an address
// that leads elsewhere is found, and a certificate that others refuse.
func (d *doctor) ask(ctx context.Context, session coord.Session, s config.Settings, advertise string, members []coord.Entry) {
	secret, source := s.Secret, "the secret of [http] secretFile"
	if len(secret) == 0 {
		secret, source = storedSecret(ctx, session, s), "the secret in the store"
	}
	found := fmt.Sprintf("other nodes reach this one at %s, with %s", advertise, source)
	if len(secret) == 0 || len(members) == 0 {
		d.report("peers", fine, found, "")
		return
	}
	defer d.waits("asking " + plural.Of(min(len(members), maxAsked), "node"))()
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	troubles := make([]string, min(len(members), maxAsked))
	var all sync.WaitGroup
	for i := range troubles {
		all.Go(func() { troubles[i] = trouble(ctx, session, s, secret, members[i]) })
	}
	all.Wait()
	well := true
	for _, text := range troubles {
		if text != "" {
			well = false
			what, fix, _ := strings.Cut(text, "; ")
			d.report("peers", warning, what, fix)
		}
	}
	if well {
		d.report("peers", fine, fmt.Sprintf("%s; requests from here to %s were answered", found, plural.Of(len(troubles), "node")), "")
	}
}

// storedSecret returns the secret of the nodes in the store, nil if there is none that can be read. It creates none.
func storedSecret(ctx context.Context, session coord.Session, s config.Settings) []byte {
	if session == nil {
		return nil
	}
	key := schema.NewKeys(s.Cluster).PeerSecret()
	var rec schema.PeerSecret
	if r, err := session.Get(ctx, key); err != nil || schema.Decode(key, r, &rec) != nil {
		return nil
	}
	return []byte(rec.Secret)
}

// trouble returns why a node does not answer others, and after a semicolon the fix; "" if it answers, has no API, or left.
func trouble(ctx context.Context, session coord.Session, s config.Settings, secret []byte, entry coord.Entry) string {
	key := schema.NewKeys(s.Cluster).Member(entry.Name)
	var m schema.Member
	if r, err := session.Get(ctx, key); err != nil || schema.Decode(key, r, &m) != nil || m.Address == "" {
		return ""
	}
	host, _ := os.Hostname()
	if m.Advertise == "" || m.Host != host && config.Loopback(strings.TrimPrefix(m.Advertise, "https://")) {
		return fmt.Sprintf("%s has no address that other machines reach; set [http] listen or advertise on it", m.Node)
	}
	return peers.Ask(ctx, s, secret, m.Node, m.Advertise)
}
