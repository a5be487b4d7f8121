// Package access authenticates the callers of a node, and limits what each may do.
//
// # The model
//
//	request ─▶ not from another site ─▶ for this node ─▶ a known caller ─▶ no more writes than allowed ─▶ the operation
//
// Middleware precedes every handler. It identifies the caller by a token, a login or a certificate, and puts the Caller
// into the context of the request. Refusal decides from the role what the caller may do. Shares bounds the number of
// streams that one caller has open. Each limit is counted per caller, so one caller cannot use up the limit of another.
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

// Role is what a caller may do. Each role includes the ones before it.
type Role string

// The roles.
const (
	RoleView    Role = "view"    // read everything but secrets, and calculate plans
	RoleOperate Role = "operate" // scale, pause, restart, move, drain
	RoleAdmin   Role = "admin"   // declare and delete tasks, evict nodes, make the leader step down
)

var ranks = map[Role]int{RoleView: 1, RoleOperate: 2, RoleAdmin: 3}

// Validate refuses an unknown role.
func (r Role) Validate() error {
	if ranks[r] == 0 {
		return fmt.Errorf("invalid role %q (want %s, %s or %s)", string(r), RoleView, RoleOperate, RoleAdmin)
	}
	return nil
}

// May reports whether the role includes another one.
func (r Role) May(other Role) bool { return ranks[r] >= ranks[other] }

// Token authenticates a caller. It holds only the SHA-256 of the secret.
type Token struct {
	Name string // the owner, for people; several tokens may have one name, so that one can replace the other
	Role Role
	Hash [sha256.Size]byte
}

// MinToken is the minimum length of a token, in bytes.
const MinToken = 20

// ParseToken reads "NAME ROLE TOKEN", where TOKEN is the secret itself or "sha256:" and its hash in
// hexadecimal.
func ParseToken(text string) (t Token, err error) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return t, fmt.Errorf("want NAME ROLE TOKEN, as in \"ada operate sha256:…\", and not %d words", len(words))
	}
	t.Name, t.Role = words[0], Role(words[1])
	if t.Role.Validate() != nil { // the error does not show the text: it may be the secret, in the wrong column
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

// Access lists the callers and their roles. The zero value gives every role to each caller that reaches the node under a
// name of this machine.
type Access struct {
	// Tokens returns the tokens that are valid now. It is called for every request, from any goroutine. If it is set,
	// callers must authenticate, even if it returns no token. If it is nil, no token is required.
	Tokens func() []Token
	// Certificates is the role of callers with a client certificate that the server has verified; "" for none.
	Certificates Role
	// Trusts reports whether a client certificate, with its chain as presented, is trusted now. If it is nil, the
	// server's verification at the start of the connection counts.
	Trusts func(shown []*x509.Certificate) bool
	// Hosts are the host names that requests may be for, in addition to those of this machine and any IP address; "*"
	// for every name. The check stops DNS rebinding: a page of another site reaches the node under that site's name.
	Hosts []string
	// Proxies are the addresses of proxies in front of the node. Only their X-Forwarded-For and X-Forwarded-Proto are
	// believed.
	Proxies []netip.Prefix
}

// closed reports whether callers must authenticate. This depends on the configuration alone, not on the number of tokens
// at the moment.
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

// find returns the token of a secret. It compares all tokens, in a time that does not depend on where they differ.
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
		return true // an IP address is not a name that another site could point to this node
	}
	return slices.ContainsFunc(slices.Concat(a.Hosts, local), func(h string) bool { return strings.EqualFold(h, name) })
}

// Caller is the sender of a request.
type Caller struct {
	Name   string
	Role   Role   // "" for an unknown caller
	From   string // the IP address
	Proven bool   // the name is that of a token or certificate
}

type callerKey struct{}

// CallerOf returns the caller of the request that a context belongs to; the zero value outside of Middleware.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

func withCaller(r *http.Request, c Caller) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

// from returns the address of a request's sender: the nearest one that is not a proxy's.
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

// secure reports whether a request came over TLS, to this node or to a trusted proxy.
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

// source is the key of a count: usually the name of a caller and its network.
type source struct{ what, network string }

// everywhere stands for all networks.
const everywhere = "*"

// network returns the key that addresses are counted by: the address itself, or its /64 for IPv6, where one sender has
// many addresses.
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
