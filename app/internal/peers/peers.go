// Package peers prepares requests between the nodes of a cluster: the address of this node for others, and the secret that
// authenticates nodes to each other.
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

// reach is the address of this node for others, and the problem with it.
type reach struct {
	Advertise string // host:port, "" if it is unknown
	Trouble   string // why not all nodes can reach it, "" if they can
	Fix       string
}

// Reached returns the address at which other nodes reach the API: the configured one, or else the address that the node
// listens on. If the node listens on all addresses, it is the one from which this machine reaches the coordination service.
// A loopback address serves only nodes of the same machine; other nodes detect that.
func Reached(ctx context.Context, s config.Settings, listen string) reach {
	if s.Advertise != "" || s.Listen == "off" || listen == "" {
		r := reach{Advertise: s.Advertise}
		host, _, _ := net.SplitHostPort(s.Advertise)
		if leaf := s.Access.TLS.Leaf(); leaf != nil && host != "" && s.Listen != "off" && leaf.VerifyHostname(host) != nil {
			r.Trouble, r.Fix = "its certificate is not for "+host, advertiseFix+", by a name or address of the certificate"
		}
		return r
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return reach{}
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && !ip.IsUnspecified():
		ip = ip.Unmap()
	case err != nil && host != "": // the node listens on a name
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
		return reach{Trouble: fmt.Sprintf("cannot find out where other nodes reach %s", listen), Fix: advertiseFix}
	}
	if !ip.IsLinkLocalUnicast() {
		ip = ip.WithZone("") // only link-local addresses need a zone
	}
	if ip.Zone() != "" {
		return reach{
			Trouble: fmt.Sprintf("%v is not known by this name on other machines, which name their interfaces themselves", ip),
			Fix:     advertiseFix,
		}
	}
	r := reach{Advertise: net.JoinHostPort(ip.String(), port)}
	if leaf := s.Access.TLS.Leaf(); leaf != nil {
		name, ok := nameOn(leaf, ip)
		r.Advertise = net.JoinHostPort(name, port)
		if !ok {
			r = reach{Trouble: fmt.Sprintf("its certificate is not for %v", ip), Fix: advertiseFix + ", by a name or address of the certificate"}
		}
	}
	if ip.IsLoopback() && !s.Service.Local() {
		r.Trouble = "it is reached from this machine only, at " + listen
		r.Fix = `listen = "0.0.0.0:8800" in [http], with tokens: xconsumer token ada --role admin`
	}
	return r
}

const advertiseFix = "advertise = \"host:port\" in [http]"

// nameOn returns the name in a certificate by which others can reach a node with an address: the address, the host name, or
// the only name of the certificate. A loopback address can only be named localhost, and other addresses cannot, because
// localhost means each machine itself.
func nameOn(leaf *x509.Certificate, ip netip.Addr) (string, bool) {
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

// ownName reports whether each machine resolves a name to itself.
func ownName(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return name == "localhost" || strings.HasPrefix(name, "localhost.") || strings.HasSuffix(name, ".localhost")
}

// outward returns the address from which this machine reaches one of the hosts, or else other machines. It sends nothing to
// them.
func outward(ctx context.Context, hosts []string) netip.Addr {
	const lookupTimeout = time.Second // for the name server, if hosts are names
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	// The last two are addresses for documentation, which follow the default route.
	for _, to := range append(slices.Clip(hosts), "192.0.2.1:9", "[2001:db8::1]:9") {
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
	addrs, _ := net.InterfaceAddrs() // after an error there are none, and the address is unknown
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap().IsGlobalUnicast() && !ip.IsLoopback() {
				return ip.Unmap()
			}
		}
	}
	return netip.Addr{}
}

// secretGuarded reports whether the secret of the nodes is in the store and must be as well protected there as the HTTP API.
// If the API requires no authentication, as on a loopback address, the secret gives no further access. The store of
// `xconsumer dev` listens on loopback only, so it belongs to one machine, as its nodes do.
func secretGuarded(s config.Settings) bool {
	return len(s.Secret) == 0 && s.Access.Closed() && (s.Service.Joined == "" || !s.Service.Local())
}

// Secretless returns why this node has no secret for requests between nodes, by the configuration alone; "" if it has one in a
// file or in the store.
func Secretless(s config.Settings) string {
	if !secretGuarded(s) || s.Service.Protected() {
		return ""
	}
	return "the HTTP API requires authentication, " +
		"and the store lets any client in, so it cannot hold the secret of the nodes"
}

// OpenStore checks whether etcd enforces authentication. It returns why etcd cannot hold the secret, "" if it can. A username or
// a certificate in the configuration protects nothing unless etcd requires it. For ZooKeeper the ACL of the record decides.
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
		return "", fmt.Errorf("cannot find out whether etcd lets any client in: %w", err)
	case open:
		return "the HTTP API requires authentication, and etcd lets any client in, " +
			"although [etcd] has a user or a certificate, " +
			"so it cannot hold the secret of the nodes", nil
	}
	return "", nil
}

// SecretFix returns the fix for a store that cannot hold the secret.
func SecretFix(s config.Settings) string {
	const file = "[http] secretFile the same secret on all nodes (openssl rand -hex 32)"
	switch {
	case s.Service.Joined != "":
		return "give " + file
	case s.Service.Etcd != nil && s.Service.Protected():
		return "enable authentication in etcd (etcdctl auth enable) or require client certificates (--client-cert-auth), or give " + file
	}
	return "give the store a username and password, or " + file
}

// SharedSecret reads the secret of the cluster from the store, and creates it if there is none. It opens its own session for
// that. The error matches httpapi.ErrNoSecret unless the store could not be reached.
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
	closed := s.Service.Etcd != nil && secretGuarded(s) && s.Service.Protected() // OpenStore has just found that etcd refuses other clients
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
			"%w that is safe: its record is open to other identities; %s",
			httpapi.ErrNoSecret,
			cmp.Or(fix, protectFix),
		)
	}
	return secret, nil
}

// Ask asks another node as a node with these settings and this secret would. It returns why there is no answer, and after a
// semicolon the fix; "" if there is one.
func Ask(ctx context.Context, s config.Settings, secret []byte, node, address string) string {
	asking := &httpapi.Peers{Secret: secret, TLS: s.Access.TLS.Peer(slog.New(slog.DiscardHandler))}
	if err := asking.Check(ctx, node, address); err != nil {
		_, why, _ := strings.Cut(err.Error(), ": ") // that it failed is known
		return why
	}
	return ""
}

// uncounted makes an error match httpapi.ErrNoSecret if the answer of the store means that it has no secret for this node.
func uncounted(err error) error {
	if errors.Is(err, coord.ErrUnauthorized) || errors.Is(err, schema.ErrCorrupt) || errors.Is(err, membership.ErrNoCluster) {
		return fmt.Errorf("%w that is valid: %w", httpapi.ErrNoSecret, err)
	}
	return err
}

// WarnUnreached logs why nodes cannot request the logs of each other's workers.
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

// Peerless is the effect of a missing common secret.
const Peerless = "nodes cannot show the logs of each other's workers"

// WarnOpenStore logs once if etcd does not enforce the configured authentication, so that it cannot hold the secret of the
// nodes.
func WarnOpenStore(ctx context.Context, s config.Settings, log *slog.Logger) {
	why, err := OpenStore(ctx, s)
	switch {
	case s.Listen == "off":
	case why != "":
		log.Warn(Peerless, "reason", why, "fix", SecretFix(s))
	case err != nil && ctx.Err() == nil:
		log.Info("could not find out who may read the secret of the nodes; the next use checks again", "error", err)
	}
}
