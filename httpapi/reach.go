package httpapi

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/peers"
)

// elsewhere gets from other nodes what only they have: their logs, stacks and leases.
type elsewhere struct {
	*reader
	peers *Peers
}

// reach returns the live node of a member, with the address for requests to it, or an error with the reason why this node
// cannot reach it.
func (e *elsewhere) reach(m *hub.Snapshot, member string) (cluster.NodeInfo, error) {
	var here, there cluster.NodeInfo
	for i := range m.State.Nodes {
		n := &m.State.Nodes[i]
		if n.Name == e.node.Name() {
			here = *n
		}
		if n.Member == member && member != "" {
			there = *n
		}
	}
	switch {
	case there.Member == "":
		return there, fmt.Errorf("%w: %s is lost; its log is there", peers.ErrUnavailable, lostName(m, member))
	case there.Advertise == "":
		return there, fmt.Errorf(
			"%w: only %s has this, and it has no address for other nodes; ask that node itself%s, or set its [http] listen or advertise",
			peers.ErrUnavailable,
			there.Name,
			listening(&there),
		)
	// While the store does not answer, this node may have no member.
	case isLoopback(there.Advertise) && here.Host != "" && there.Host != here.Host:
		return there, fmt.Errorf(
			"%w: only %s has this, and other machines cannot reach it: ask it on %s%s, or set an [http] listen or advertise that they can reach",
			peers.ErrUnavailable,
			there.Name,
			there.Host,
			listening(&there),
		)
	}
	return there, nil
}

// lostName returns the name of a lost member, or its id if the name is no longer known.
func lostName(m *hub.Snapshot, member string) string {
	for i := range m.State.Lost {
		if n := &m.State.Lost[i]; n.Member == member && n.Name != "" {
			return n.Name
		}
	}
	for i := range m.State.Workers {
		if w := &m.State.Workers[i]; w.Member == member && w.Node != "" {
			return w.Node
		}
	}
	return member
}

// listening returns " at ADDRESS" for a node that listens, else "".
func listening(n *cluster.NodeInfo) string {
	if n.Address == "" {
		return ""
	}
	return " at " + n.Address
}

// isLoopback reports whether an address means only the machine that uses it.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(strings.TrimPrefix(address, "https://"))
	if err != nil {
		return false // the request to it is refused, because the address is not valid
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsUnspecified())
}
