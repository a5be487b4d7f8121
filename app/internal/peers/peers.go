// Package peers is about the other nodes of a cluster: where they can be reached, and the secret by which they know each other.
package peers

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// reach is where other nodes ask this one, and whether they can.
type reach struct {
	Advertise string // host:port, "" if it cannot be said
	Trouble   string // why not all nodes can ask it, "" if they can
	Fix       string
}

// Reached finds out where other nodes reach what listens at an address: as it is configured, or else the address that is
// listened on; where that is all of them, the one by which this machine reaches the coordination service. An address of
// the loopback is for nodes of this machine alone, and they know that.
func Reached(ctx context.Context, s config.Settings, listen string) reach {
	if s.Advertise != "" || s.Listen == "off" || listen == "" {
		return reach{Advertise: s.Advertise}
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return reach{}
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && !ip.IsUnspecified():
		ip = ip.Unmap()
	case err != nil && host != "": // a name that is listened on
		if found, err := net.ResolveTCPAddr("tcp", listen); err == nil {
			ip = found.AddrPort().Addr().Unmap()
		}
	default:
		ip = outward(ctx, s.Service.Hosts())
		if !ip.IsValid() {
			ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
	}
	if !ip.IsValid() {
		return reach{Trouble: fmt.Sprintf("it is not known where other nodes reach %s", listen), Fix: advertiseFix}
	}
	if !ip.IsLinkLocalUnicast() {
		ip = ip.WithZone("") // which only such an address needs
	}
	if ip.Zone() != "" {
		return reach{
			Trouble: fmt.Sprintf("%v is not known by this name on other machines, which name their interfaces themselves", ip),
			Fix:     advertiseFix,
		}
	}
	r := reach{Advertise: net.JoinHostPort(ip.String(), port)}
	if c := s.Access.TLS.Checked; c != nil {
		name, ok := nameOn(c.Certificates[0].Leaf, ip)
		r.Advertise = net.JoinHostPort(name, port)
		if !ok {
			r = reach{Trouble: fmt.Sprintf("its certificate is not for %v", ip), Fix: advertiseFix + ", by a name of the certificate"}
		}
	}
	if ip.IsLoopback() && !s.Service.Local() {
		r.Trouble = "it is reached from this machine only, at " + listen
		r.Fix = `listen = "0.0.0.0:8800" in [http], with tokens: xconsumer token ada --role admin`
	}
	return r
}

const advertiseFix = "advertise = \"host:port\" in [http]"

// nameOn returns by what a node with an address is called that shows a certificate: the address, its host name, or the
// only name of the certificate. An address of the loopback has no name but localhost, and others have not that one: to
// each machine it means itself.
func nameOn(leaf *x509.Certificate, ip netip.Addr) (string, bool) {
	if leaf == nil {
		return "", false
	}
	host, _ := os.Hostname()
	if ip.IsLoopback() {
		host = "localhost"
	} else if ownName(host) {
		host = ""
	}
	for _, name := range []string{ip.String(), host} {
		if name != "" && leaf.VerifyHostname(name) == nil {
			return name, true
		}
	}
	names := slices.DeleteFunc(slices.Clone(leaf.DNSNames), ownName)
	if len(names) == 1 && !strings.Contains(names[0], "*") && !ip.IsLoopback() {
		return names[0], true
	}
	return "", false
}

// ownName reports whether a name means to each machine itself.
func ownName(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return name == "localhost" || strings.HasPrefix(name, "localhost.") || strings.HasSuffix(name, ".localhost")
}

// outward returns the address of this machine by which it reaches others: one of these hosts, or any. Nothing is sent.
func outward(ctx context.Context, hosts []string) netip.Addr {
	const patience = time.Second
	ctx, cancel := context.WithTimeout(ctx, patience) // of a name server, if names have to be looked up
	defer cancel()
	for _, to := range append(slices.Clip(hosts), "192.0.2.1:9", "[2001:db8::1]:9") { // that are nobody's: by the default route
		c, err := (&net.Dialer{}).DialContext(ctx, "udp", to)
		if err != nil {
			continue
		}
		ip := netip.MustParseAddrPort(c.LocalAddr().String()).Addr().Unmap()
		_ = c.Close()
		if ip.IsGlobalUnicast() && !ip.IsLoopback() {
			return ip
		}
	}
	addrs, _ := net.InterfaceAddrs() // none: it cannot be said
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap().IsGlobalUnicast() && !ip.IsLoopback() {
				return ip.Unmap()
			}
		}
	}
	return netip.Addr{}
}

// secretGuarded reports whether the secret of the nodes is in the store, and opens what is not open without it: it has to
// be as well protected there as the HTTP API is. Where nobody has to say who they are to use that, as on a loopback
// address, it opens nothing; and the store of `xconsumer dev`, which is reached on loopback alone, is of one machine, as
// its nodes are.
func secretGuarded(s config.Settings) bool {
	return len(s.Secret) == 0 && s.Access.Closed() && (s.Service.Joined == "" || !s.Service.Local())
}

// Secretless returns why this node has no secret to ask others by and to be asked, as far as the configuration says, ""
// if it has: from a file, or in the store.
func Secretless(s config.Settings) string {
	if !secretGuarded(s) || s.Service.Protected() {
		return ""
	}
	return "callers of the HTTP API must say who they are, " +
		"and the store lets in whoever reaches it, so that the secret of the nodes cannot be kept there"
}

// OpenStore asks etcd, and returns why it does not keep the secret, "" if it may: a username that it does not ask for, and
// a certificate that it does not insist on, keep nobody out. Of ZooKeeper the ACL of the record says it.
func OpenStore(ctx context.Context, s config.Settings) (string, error) {
	if s.Service.Etcd == nil || !secretGuarded(s) || !s.Service.Protected() {
		return "", nil
	}
	store, err := etcd.New(*s.Service.Etcd)
	if err != nil {
		return "", err
	}
	open, err := store.OpenToAll(ctx, schema.NewKeys(s.Cluster).PeerSecret())
	switch {
	case err != nil:
		return "", fmt.Errorf("it is not known whether etcd lets in whoever reaches it: %w", err)
	case open:
		return "callers of the HTTP API must say who they are, and etcd lets in whoever reaches it, " +
			"although [etcd] has a user or a certificate, " +
			"so that the secret of the nodes cannot be kept there", nil
	}
	return "", nil
}

// SecretFix says what to do about a store that does not keep the secret.
func SecretFix(s config.Settings) string {
	const file = "[http] secretFile the same secret on all nodes (openssl rand -hex 32)"
	switch {
	case s.Service.Joined != "":
		return "give " + file
	case s.Service.Etcd != nil && s.Service.Protected():
		return "enable authentication in etcd (etcdctl auth enable) or have it insist on certificates (--client-cert-auth), or give " + file
	}
	return "give the store a username and password, or " + file
}

// SharedSecret reads the secret of the cluster from the store, and makes it if there is none. It has a session of its
// own, for as long as that takes. The error matches httpapi.ErrNoSecret unless the store was not reached.
func SharedSecret(ctx context.Context, s config.Settings) ([]byte, error) {
	why := Secretless(s)
	if why == "" {
		var err error
		why, err = OpenStore(ctx, s)
		if err != nil {
			return nil, err
		}
	}
	if why != "" {
		return nil, fmt.Errorf("%w: %s: %s", httpapi.ErrNoSecret, why, SecretFix(s))
	}
	store, err := s.Service.Open(slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	session, err := store.Open(ctx)
	if err != nil {
		return nil, uncounted(fmt.Errorf("the secret of the nodes cannot be read: %w", err))
	}
	defer func() { _ = session.Close() }()
	keys := schema.NewKeys(s.Cluster)
	closed := s.Service.Etcd != nil && secretGuarded(s) && s.Service.Protected() // and etcd has just refused a stranger
	secret, err := membership.PeerSecret(ctx, session, keys, closed)
	if err != nil || s.Service.ZK == nil || s.Service.ZK.Username == "" {
		return secret, uncounted(err)
	}
	access, err := zk.CheckAccess(ctx, session, keys.PeerSecret())
	if err != nil {
		return nil, uncounted(err)
	}
	if text, fix := Exposed(access); text != "" || access.Znodes == 0 {
		return nil, fmt.Errorf(
			"%w that counts: theirs may be known to others, since others may use its record; %s",
			httpapi.ErrNoSecret,
			cmp.Or(fix, protectFix),
		)
	}
	return secret, nil
}

// uncounted makes an error match httpapi.ErrNoSecret if the store has answered that it holds no secret for this node.
func uncounted(err error) error {
	if errors.Is(err, coord.ErrUnauthorized) || errors.Is(err, schema.ErrCorrupt) || errors.Is(err, membership.ErrNoCluster) {
		return fmt.Errorf("%w that counts: %w", httpapi.ErrNoSecret, err)
	}
	return err
}

// WarnUnreached says what keeps nodes from asking each other for the logs of their workers.
func WarnUnreached(s config.Settings, r reach, log *slog.Logger) {
	if s.Listen == "off" {
		return
	}
	if r.Trouble != "" {
		log.Info("other nodes cannot show the logs of this node's workers", "reason", r.Trouble, "fix", r.Fix)
	}
	if why := Secretless(s); why != "" {
		log.Warn(Peerless, "reason", why, "fix", SecretFix(s))
	}
}

// Peerless is what nodes without a common secret cannot do.
const Peerless = "nodes cannot show the logs of each other's workers"

// WarnOpenStore says once that etcd does not ask for what is configured, which keeps the secret of the nodes out of it.
func WarnOpenStore(ctx context.Context, s config.Settings, log *slog.Logger) {
	why, err := OpenStore(ctx, s)
	switch {
	case s.Listen == "off":
	case why != "":
		log.Warn(Peerless, "reason", why, "fix", SecretFix(s))
	case err != nil && ctx.Err() == nil:
		log.Info("could not ask who may read the secret of the nodes; it is asked again when that is needed", "error", err)
	}
}
