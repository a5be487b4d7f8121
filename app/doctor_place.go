package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// place looks at whether a node finds its address and its name free. A node that runs here with both is this
// configuration's own, and nothing is the matter. Without a session nobody knows who has the name.
func (d *doctor) place(ctx context.Context, session coord.Session, s settings) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	var named *membership.NameTakenError // who has the name of the node
	if name := s.defaultName(); name != "" && session != nil {
		var err error
		if named, err = membership.NameTaken(ctx, session, schema.NewKeys(s.cluster), name); err != nil {
			if !errors.Is(err, coord.ErrUnauthorized) { // which access has told
				d.tell("name", warning, fmt.Sprintf("whether the node name %q is free is not known: %s", name, coord.Reason(err)), "")
			}
			named = nil
		}
	}
	busy := d.listens(ctx, s.listen)
	own := named != nil && here(named) && (s.listen == "off" || errors.Is(busy, syscall.EADDRINUSE) && samePort(named.Holder.Address, s.listen))
	switch {
	case own:
		d.tell("node", fine, fmt.Sprintf("node %s of this configuration runs here: pid %d, since %s", named.Node, named.Holder.PID, named.Holder.Since.Format(time.RFC3339)), "")
		return
	case errors.Is(busy, syscall.EADDRINUSE):
		d.taken(ctx, session, s)
	case busy != nil:
		d.tell("address", wrong, fmt.Sprintf("%s cannot be listened on: %s", s.listen, wordsOf(busy)), "choose another address with [http] listen or --http")
	case s.listen != "off":
		d.tell("address", fine, s.listen+" is free", "")
	}
	switch {
	case named != nil && (s.name != "" || busy == nil):
		d.tell("name", wrong, fmt.Sprintf("%v; `xconsumer run` would wait until %s", named, named.Until(0)), membership.RenameHelp)
	case s.name != "" && session != nil:
		d.tell("name", fine, "the node name "+s.name+" is free", "")
	}
}

// defaultName is what the node is called if it listens on the address that is configured, "" if that is not known.
func (s settings) defaultName() string {
	if s.name != "" {
		return s.name
	}
	if _, port, err := net.SplitHostPort(s.listen); err != nil || port == "0" {
		return ""
	}
	return nodeName(s.listen)
}

// listens tries to listen on an address, as run would, and returns why it cannot.
func (d *doctor) listens(ctx context.Context, listen string) error {
	if listen == "off" {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err == nil {
		_ = l.Close()
	}
	return err
}

// taken says who listens on the address of the node, which is not its own, and what run does about that.
func (d *doctor) taken(ctx context.Context, session coord.Session, s settings) {
	who, fellow := "another program", false
	if name := nodeAt(ctx, s.listen); name != "" {
		who = "a node named " + name
		if session != nil {
			holder, err := membership.NameTaken(ctx, session, schema.NewKeys(s.cluster), name)
			fellow = err == nil && holder != nil && here(holder) && samePort(holder.Holder.Address, s.listen)
			switch {
			case fellow:
				who = fmt.Sprintf("node %s of this cluster, pid %d", name, holder.Holder.PID)
			case err == nil && holder == nil:
				who += " of another cluster"
			}
		}
	}
	switch {
	case s.explicit:
		d.tell("address", wrong, fmt.Sprintf("%s is taken by %s; `xconsumer run` would wait %v for it, and then end", s.listen, who, portPatience), "stop it, or choose another address with [http] listen or --http")
	case fellow:
		d.tell("address", fine, fmt.Sprintf("%s is taken by %s; `xconsumer run` takes the next free port", s.listen, who), "")
	default:
		d.tell("address", warning, fmt.Sprintf("%s is taken by %s; `xconsumer run` takes the next free port, and commands ask %s", s.listen, who, s.listen),
			"choose an address with [http] listen or --http, and name it to commands: export XCONSUMER_SERVER=http://HOST:PORT")
	}
}

// nodeAt returns the name of the node that answers at an address, "" if none does, as far as anybody is told. No token is
// shown: who listens there is not known.
func nodeAt(ctx context.Context, listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	client, err := httpapi.NewClient(net.JoinHostPort(host, port), httpapi.ClientOptions{})
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	health, err := client.Health(ctx, false)
	if err != nil {
		return ""
	}
	return health.Node
}

// here reports whether the node that has a name is on this machine, as far as its host says.
func here(n *membership.NameTakenError) bool {
	host, err := os.Hostname()
	return err == nil && host == n.Holder.Host
}

func samePort(a, b string) bool {
	_, one, err := net.SplitHostPort(a)
	_, other, oerr := net.SplitHostPort(b)
	return err == nil && oerr == nil && one == other
}

// wordsOf says why an address cannot be listened on.
func wordsOf(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine has no such address"
	case errors.Is(err, syscall.EACCES):
		return "this user may not"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}
