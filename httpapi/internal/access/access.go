// Package access decides who may ask a node, and how much.
//
// # The model
//
//	request ─▶ not from another site ─▶ for this node ─▶ a known caller ─▶ no more writes than allowed ─▶ the operation
//
// Middleware stands before everything that is served. It finds out who asks, by a token, a login or a certificate, and
// leaves the Caller in the context of the request. What the caller may do, Refusal decides from the role. Shares bounds
// how many streams one caller has open. Each limit is counted for one caller alone: what somebody does keeps nobody
// else out.
package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Role is what somebody may do. Each may do what those before it may.
type Role string

// The roles.
const (
	RoleView    Role = "view"    // look at everything but secrets, and try plans
	RoleOperate Role = "operate" // scale, pause, restart, move, drain
	RoleAdmin   Role = "admin"   // declare and delete tasks, evict nodes, let the leader step down
)

var ranks = map[Role]int{RoleView: 1, RoleOperate: 2, RoleAdmin: 3}

// Validate refuses an unknown role.
func (r Role) Validate() error {
	if ranks[r] == 0 {
		return fmt.Errorf("invalid role %q (want %s, %s or %s)", string(r), RoleView, RoleOperate, RoleAdmin)
	}
	return nil
}

// May reports whether the role may do what another one may.
func (r Role) May(other Role) bool { return ranks[r] >= ranks[other] }

// Token lets somebody in. Of the secret only its SHA-256 is kept.
type Token struct {
	Name string // whose it is, for people; several tokens may have one name, so that one can replace the other
	Role Role
	Hash [sha256.Size]byte
}

// MinToken is how long a token has to be, in bytes.
const MinToken = 20

// ParseToken reads "NAME ROLE TOKEN", where TOKEN is the secret itself or "sha256:" and its hash in
// hexadecimal.
func ParseToken(text string) (t Token, err error) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return t, fmt.Errorf("want NAME ROLE TOKEN, as in \"ada operate sha256:…\", and not %d words", len(words))
	}
	t.Name, t.Role = words[0], Role(words[1])
	if t.Role.Validate() != nil { // which is not shown: it may be the secret, at the wrong place
		return t, fmt.Errorf("invalid role in the second column (want %s, %s or %s)", RoleView, RoleOperate, RoleAdmin)
	}
	hash, hashed := strings.CutPrefix(words[2], "sha256:")
	switch sum, err := hex.DecodeString(hash); {
	case !hashed && len(words[2]) < MinToken:
		return t, fmt.Errorf("the token of %s has fewer than %d characters", t.Name, MinToken)
	case !hashed:
		t.Hash = sha256.Sum256([]byte(words[2]))
	case err != nil || len(sum) != sha256.Size:
		return t, fmt.Errorf("the hash of %s's token is not the %d hexadecimal digits of a SHA-256", t.Name, 2*sha256.Size)
	default:
		copy(t.Hash[:], sum)
	}
	return t, nil
}

// Access says who may do what. The zero value lets everybody do everything, who can reach the node under a
// name of this machine.
type Access struct {
	// Tokens returns those that are valid now. It is called for every request. If it is set, callers must say who
	// they are, however many tokens there are: with none, nobody gets in. If it is nil, no tokens are asked for.
	Tokens func() []Token
	// Certificates is the role of whoever has shown a client certificate that the server has verified; "" for
	// none.
	Certificates Role
	// Trusts reports whether a client certificate, with those above it that were shown, is trusted now; nil for what
	// the server has verified when the connection began.
	Trusts func(shown []*x509.Certificate) bool
	// Hosts are the names that requests may be for, besides those of this machine and any IP address; "*" for
	// every name. Pages of other sites reach a node under a name of theirs.
	Hosts []string
	// Proxies are the addresses of proxies in front of the node. What they say of who asks, and whether over TLS
	// (X-Forwarded-For, X-Forwarded-Proto), is believed; nobody else's word is.
	Proxies []netip.Prefix
}

// closed reports whether nobody gets in without saying who they are. That is how the node is configured, and does
// not change with how many tokens there are at the moment.
func (a *Access) closed() bool {
	return a.Certificates != "" || a.Tokens != nil
}

// All returns the tokens that are valid now.
func (a *Access) All() []Token {
	if a.Tokens == nil {
		return nil
	}
	return a.Tokens()
}

// find returns the token that a secret is. All are compared, in a time that does not depend on where they
// differ.
func (a *Access) find(secret string) (found Token, ok bool) {
	hash := sha256.Sum256([]byte(secret))
	for _, t := range a.All() {
		if subtle.ConstantTimeCompare(hash[:], t.Hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}

// answersTo reports whether a request for a host is for this node.
func (a *Access) answersTo(host string, local []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if _, err := netip.ParseAddr(name); err == nil || slices.Contains(a.Hosts, "*") {
		return true // no name that somebody could point here
	}
	return slices.ContainsFunc(slices.Concat(a.Hosts, local), func(h string) bool { return strings.EqualFold(h, name) })
}

// Caller is who asks.
type Caller struct {
	Name   string
	Role   Role   // "" for an unknown caller
	From   string // the address
	Proven bool   // the name is that of a token or certificate
}

type callerKey struct{}

// CallerOf returns who has made the request that a context belongs to; the zero value outside of Middleware.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

func withCaller(r *http.Request, c Caller) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

// from returns where a request comes from: the nearest address that is not one of the proxies.
func (a *Access) from(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	passed := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for at := len(passed) - 1; at >= 0 && a.isProxy(host); at-- {
		ip, err := netip.ParseAddr(strings.TrimSpace(passed[at]))
		if err != nil {
			return host
		}
		host = ip.String()
	}
	return host
}

// secure reports whether a request came over TLS, to this node or to a proxy that says so.
func (a *Access) secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && a.isProxy(host) && strings.EqualFold(strings.TrimSpace(r.Header.Get("X-Forwarded-Proto")), "https")
}

func (a *Access) isProxy(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(a.Proxies, func(p netip.Prefix) bool { return p.Contains(ip.WithZone("").Unmap()) })
}

// source is what is counted, most often by whose name, and where it comes from.
type source struct{ what, network string }

// everywhere stands for all networks.
const everywhere = "*"

// network returns what stands for an address where addresses are counted: of IPv6 somebody has many.
func network(from string) string {
	ip, err := netip.ParseAddr(from)
	if err != nil || ip.Unmap().Is4() {
		return from
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return from
	}
	return prefix.String()
}
