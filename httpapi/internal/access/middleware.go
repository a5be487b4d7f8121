package access

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
)

// How fast a caller may write, and send invalid tokens.
const (
	writesPerSecond   = 50
	writesAtOnce      = 100
	mistakesPerSecond = 1
	mistakesAtOnce    = 20
	maxKnown          = 10_000 // sources with a limit of their own
)

// Middleware precedes every handler. It refuses requests that are not for this node, identifies the caller, and limits its
// writes. One caller cannot keep another out: neither one with a valid token nor a probe, even from the same address.
type Middleware struct {
	access   *Access
	logins   logins
	local    []string // names of this machine
	writes   limits
	mistakes limits
	refusals refusals
	next     http.Handler
}

// New returns the middleware before next. It logs refusals.
func New(access *Access, log *slog.Logger, next http.Handler) *Middleware {
	m := &Middleware{
		access: access, next: next, local: []string{"localhost"},
		writes:   limits{every: writesPerSecond, burst: writesAtOnce},
		mistakes: limits{every: mistakesPerSecond, burst: mistakesAtOnce},
		refusals: refusals{log: log, logged: limits{every: rate.Every(time.Minute), burst: 1}, count: map[string]float64{}},
	}
	if host, err := os.Hostname(); err == nil {
		m.local = append(m.local, host)
	}
	return m
}

// Open reports whether the node requires no authentication.
func (m *Middleware) Open() bool { return !m.access.closed() }

// ServeHTTP answers refused requests, and passes all others on with their caller.
func (m *Middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !m.access.answersTo(r.Host, m.local) {
		answer.Send(w, &answer.Problem{Status: http.StatusMisdirectedRequest, Title: "not for this node",
			Detail: fmt.Sprintf("this node does not answer for %q; use its address, or add the name to [http] hosts", r.Host)})
		return
	}
	from := m.access.from(r)
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		m.next.ServeHTTP(w, withCaller(r, Caller{From: from}))
		return
	}
	c, known := m.identify(r)
	c.From = from
	if !known {
		answer.Send(w, m.mistaken(r, "invalid token; check --token or XCONSUMER_API_TOKEN; in the console, log in again"))
		return
	}
	if !Reads(r) {
		if p := m.refusesWrite(r, c); p != nil {
			challenge(w, p)
			answer.Send(w, p)
			return
		}
		seen := answer.Record(w)
		defer func() {
			if refused := seen.Code == http.StatusUnauthorized || seen.Code == http.StatusForbidden; refused && r.URL.Path != LoginPath {
				m.refusals.add(r, refusedRole, c)
			}
		}()
		w = seen
	}
	m.next.ServeHTTP(w, withCaller(r, c))
}

// refusesWrite returns why a caller may not write now, nil if it may, as far as that does not depend on the operation. A
// caller without a role does not use up the limit of callers with a role at the same address. Logins have no such limit:
// wrong tokens have their own, and a flood of them must not keep out a valid one.
func (m *Middleware) refusesWrite(r *http.Request, c Caller) *answer.Problem {
	switch {
	case r.URL.Path == LoginPath:
		return nil
	case c.Role == "" && r.URL.Path != LogoutPath:
		m.refusals.add(r, refusedRole, c)
		return Refusal(c, RoleView)
	case !m.writes.allow(source{c.Name, network(c.From)}):
		return answer.TooFast(fmt.Sprintf("more than %d writes a second", writesPerSecond))
	}
	return nil
}

// Reads reports whether a request changes nothing.
func Reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// mistaken counts an invalid token, and returns the answer to it: the reason, or that there were too many.
func (m *Middleware) mistaken(r *http.Request, why string) *answer.Problem {
	from := m.access.from(r)
	m.refusals.add(r, refusedToken, Caller{From: from})
	if !m.mistakes.allow(source{"token", network(from)}) {
		return answer.TooFast("too many attempts from " + from + " with a wrong token")
	}
	return &answer.Problem{Status: http.StatusUnauthorized, Title: "unknown token", Detail: why}
}

// still reports whether the caller of a long request may still read.
func (m *Middleware) still(r *http.Request) bool {
	c, known := m.identify(r)
	return known && c.Name == CallerOf(r.Context()).Name && Refusal(c, RoleView) == nil
}

// identify returns the caller of a request, and false if its token is invalid.
func (m *Middleware) identify(r *http.Request) (Caller, bool) {
	if !m.access.closed() {
		return Caller{Name: "anonymous", Role: RoleAdmin}, true
	}
	if scheme, secret, given := strings.Cut(r.Header.Get("Authorization"), " "); given && strings.EqualFold(scheme, "Bearer") {
		t, ok := m.access.find(strings.TrimSpace(secret))
		return Caller{Name: t.Name, Role: t.Role, Proven: ok}, ok
	}
	if cookie, err := r.Cookie(m.access.cookieName(r)); err == nil {
		if t, ok := m.logins.find(cookie.Value, m.access); ok {
			return Caller{Name: t.Name, Role: t.Role, Proven: true}, true
		}
	}
	if role := m.access.Certificates; role != "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 &&
		(m.access.Trusts == nil || m.access.Trusts(r.TLS.PeerCertificates)) {
		return Caller{Name: r.TLS.VerifiedChains[0][0].Subject.CommonName, Role: role, Proven: true}, true
	}
	return Caller{}, true
}

// Refusal returns why a caller may not do what needs a role, nil if it may.
func Refusal(c Caller, wanted Role) *answer.Problem {
	switch {
	case wanted == "", c.Role.May(wanted):
		return nil
	case c.Role == "":
		return &answer.Problem{
			Status: http.StatusUnauthorized,
			Title:  "authentication required",
			Detail: "this node requires a token: xconsumer --token or XCONSUMER_API_TOKEN, \"Authorization: Bearer …\", or a login",
		}
	}
	return &answer.Problem{
		Status: http.StatusForbidden,
		Title:  "not allowed",
		Detail: fmt.Sprintf("%s has the role %s, and this needs %s", c.Name, c.Role, wanted),
	}
}

// Viewing returns a handler that refuses callers without the role view.
func Viewing(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p := Refusal(CallerOf(r.Context()), RoleView); p != nil {
			challenge(w, p)
			answer.Send(w, p)
			return
		}
		next(w, r)
	}
}

// Challenge is the WWW-Authenticate of an answer to an unauthenticated caller.
const Challenge = `Bearer realm="xconsumer"`

func challenge(w http.ResponseWriter, p *answer.Problem) {
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", Challenge)
	}
}
