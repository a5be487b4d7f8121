package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// place checks whether the address and the name of the node are free. A node on this machine with both of them is the one of
// this configuration, which is fine. Without a session the holder of the name is unknown.
func (d *doctor) place(ctx context.Context, session coord.Session, s config.Settings) {
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	var named *membership.NameTakenError // the holder of the node's name, nil for none
	if name := s.DefaultName(); name != "" && session != nil {
		var err error
		named, err = membership.NameTaken(ctx, session, schema.NewKeys(s.Cluster), name)
		if err != nil {
			if !errors.Is(err, coord.ErrUnauthorized) { // access has reported that error
				d.report("name", warning, fmt.Sprintf("cannot find out whether the node name %q is free: %s", name, coord.Reason(err)), "")
			}
			named = nil
		}
	}
	busy := d.listens(ctx, s.Listen)
	own := named != nil && here(named) &&
		(s.Listen == "off" || errors.Is(busy, syscall.EADDRINUSE) && samePort(named.Owner.Address, s.Listen))
	at := ""
	if errors.Is(busy, syscall.EADDRINUSE) && !own {
		at = node.At(ctx, s.Listen)
	}
	switch {
	case session == nil && at != "" && at == s.DefaultName():
		d.report("node", fine, fmt.Sprintf("a node named %s, as in this configuration, answers at %s", at, s.Listen), "")
		return
	case own:
		d.report(
			"node",
			fine,
			fmt.Sprintf(
				"node %s of this configuration runs here: pid %d, since %s",
				named.Node,
				named.Owner.PID,
				named.Owner.Since.Format(time.RFC3339),
			),
			"",
		)
		return
	case errors.Is(busy, syscall.EADDRINUSE):
		d.taken(ctx, session, s, at)
	case busy != nil:
		d.report(
			"address",
			Wrong,
			fmt.Sprintf("%s cannot be listened on: %s", s.Listen, wordsOf(busy)),
			"choose another address with [http] listen or --http",
		)
	case s.Listen != "off":
		d.report("address", fine, s.Listen+" is free", "")
	}
	switch {
	case named != nil && (s.Name != "" || busy == nil):
		d.report("name", Wrong, fmt.Sprintf("%v; `xconsumer run` would wait until %s", named, named.Until(0)), membership.RenameHelp)
	case s.Name != "" && session != nil:
		d.report("name", fine, "the node name "+s.Name+" is free", "")
	}
}

// listens tries to listen on an address, as run would, and returns the error.
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

// taken reports which program or other node listens on the address, and what run does then. The node, if it is one, is named.
func (d *doctor) taken(ctx context.Context, session coord.Session, s config.Settings, name string) {
	who, fellow := "another program", false
	if name != "" {
		who = "a node named " + name
		if session != nil {
			holder, err := membership.NameTaken(ctx, session, schema.NewKeys(s.Cluster), name)
			fellow = err == nil && holder != nil && here(holder) && samePort(holder.Owner.Address, s.Listen)
			switch {
			case fellow:
				who = fmt.Sprintf("node %s of this cluster, pid %d", name, holder.Owner.PID)
			case err == nil && holder == nil:
				who += " of another cluster"
			}
		}
	}
	switch {
	case s.Explicit:
		d.report(
			"address",
			Wrong,
			fmt.Sprintf("%s is taken by %s; `xconsumer run` would wait %v for it, and then end", s.Listen, who, node.PortPatience),
			"stop it, or choose another address with [http] listen or --http",
		)
	case fellow:
		d.report("address", fine, fmt.Sprintf("%s is taken by %s; `xconsumer run` takes the next free port", s.Listen, who), "")
	default:
		d.report(
			"address",
			warning,
			fmt.Sprintf("%s is taken by %s; `xconsumer run` takes the next free port, and commands ask %s", s.Listen, who, s.Listen),
			"choose an address with [http] listen or --http, and name it to commands: export XCONSUMER_SERVER=http://HOST:PORT",
		)
	}
}

// here reports whether the holder of a name is on this machine, by its host name.
func here(n *membership.NameTakenError) bool {
	host, err := os.Hostname()
	return err == nil && host == n.Owner.Host
}

func samePort(a, b string) bool {
	_, one, err := net.SplitHostPort(a)
	_, other, oerr := net.SplitHostPort(b)
	return err == nil && oerr == nil && one == other
}

// wordsOf returns the reason why an address cannot be listened on, for people.
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
