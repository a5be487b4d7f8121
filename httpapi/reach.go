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

// elsewhere asks other nodes for what they alone know.
type elsewhere struct {
	*reader
	peers *Peers
}

// reach returns where a member is asked, or an error that says why it cannot be.
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
			"%w: only %s can tell, and it does not say where other nodes reach it; ask it itself%s, or give it [http] listen or advertise",
			peers.ErrUnavailable,
			there.Name,
			listening(&there),
		)
	case isLoopback(there.Advertise) && here.Host != "" && there.Host != here.Host: // while the store is away this node may be no member
		return there, fmt.Errorf(
			"%w: only %s can tell, and other machines do not reach it: ask it on %s%s, or give it an [http] listen or advertise that they do",
			peers.ErrUnavailable,
			there.Name,
			there.Host,
			listening(&there),
		)
	}
	return there, nil
}

// lostName returns the name of a member that is gone, or the member if that is not known any longer.
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

// listening says at which address a node listens.
func listening(n *cluster.NodeInfo) string {
	if n.Address == "" {
		return ""
	}
	return " at " + n.Address
}

// isLoopback reports whether an address means the machine that uses it, and no other.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(strings.TrimPrefix(address, "https://"))
	if err != nil {
		return false // it is refused as an address that is none
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsUnspecified())
}
