package httpapi

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"
)

// How fast somebody may write, and fail to say who they are.
const (
	writesPerSecond   = 50
	writesAtOnce      = 100
	mistakesPerSecond = 1
	mistakesAtOnce    = 20
	maxKnown          = 10_000 // callers that are told apart
)

// guard stands before everything: it refuses what is not for this node, finds out who asks, and slows them
// down.
type guard struct {
	access   *Access
	sessions sessions
	local    []string // names of this machine
	writes   limits
	mistakes limits
	next     http.Handler
}

func newGuard(access *Access, next http.Handler) *guard {
	g := &guard{
		access: access, next: next, local: []string{"localhost"},
		writes:   limits{every: writesPerSecond, burst: writesAtOnce},
		mistakes: limits{every: mistakesPerSecond, burst: mistakesAtOnce},
	}
	if host, err := os.Hostname(); err == nil {
		g.local = append(g.local, host)
	}
	return g
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.access.answersTo(r.Host, g.local) {
		answer(w, &Problem{Status: http.StatusMisdirectedRequest, Title: "not for this node",
			Detail: fmt.Sprintf("this node does not answer for %q; use its address, or add the name to [http] hosts", r.Host)})
		return
	}
	from := fromOf(r)
	if g.mistakes.exceeded(from) {
		slower(w, "too many attempts from "+from+" with a wrong token")
		return
	}
	c, known := g.identify(r)
	if !known {
		g.mistakes.allow(from)
		answer(w, &Problem{Status: http.StatusUnauthorized, Title: "unknown token", Detail: "the token is none of this node's; check XCONSUMER_API_TOKEN, or log in again"})
		return
	}
	c.from = from
	if r.Method != http.MethodGet && r.Method != http.MethodHead && !g.writes.allow(c.name+" "+from) {
		slower(w, fmt.Sprintf("more than %d writes a second", writesPerSecond))
		return
	}
	if r.URL.Query().Has("wait") {
		until := time.Now().Add(maxWait + patience)
		rc := http.NewResponseController(w)
		_, _ = rc.SetReadDeadline(until), rc.SetWriteDeadline(until)
	}
	g.next.ServeHTTP(w, withCaller(r, c))
}

func slower(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	answer(w, &Problem{Status: http.StatusTooManyRequests, Title: "too fast", Detail: why + "; wait a second, and try again"})
}

// identify finds out who asks. It returns false for somebody who says what is not so.
func (g *guard) identify(r *http.Request) (caller, bool) {
	if !g.access.closed() {
		return caller{name: "somebody", role: RoleAdmin}, true
	}
	if scheme, secret, given := strings.Cut(r.Header.Get("Authorization"), " "); given && strings.EqualFold(scheme, "Bearer") {
		t, ok := g.access.find(strings.TrimSpace(secret))
		return caller{name: t.Name, role: t.Role}, ok
	}
	if cookie, err := r.Cookie(cookieName(r)); err == nil {
		if t, ok := g.sessions.find(cookie.Value, g.access); ok {
			return caller{name: t.Name, role: t.Role}, true
		}
	}
	if role := g.access.Certificates; role != "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return caller{name: r.TLS.VerifiedChains[0][0].Subject.CommonName, role: role}, true
	}
	return caller{}, true
}

// refusal returns why somebody may not do what needs a role, nil if they may.
func refusal(c caller, wanted Role) *Problem {
	switch {
	case wanted == "", c.role.May(wanted):
		return nil
	case c.role == "":
		return &Problem{Status: http.StatusUnauthorized, Title: "who are you?", Detail: "this node wants a token: xconsumer --token or XCONSUMER_API_TOKEN, \"Authorization: Bearer …\", or a login"}
	}
	return &Problem{Status: http.StatusForbidden, Title: "not allowed", Detail: fmt.Sprintf("%s has the role %s, and this needs %s", c.name, c.role, wanted)}
}

// viewing lets through who may look.
func viewing(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p := refusal(callerOf(r.Context()), RoleView); p != nil {
			challenge(w, p)
			answer(w, p)
			return
		}
		next(w, r)
	}
}

func challenge(w http.ResponseWriter, p *Problem) {
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="xconsumer"`)
	}
}

// roleOf is the role that an operation needs.
const roleOf = "role"

// authorize is what huma asks before every operation.
func authorize(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		role, _ := ctx.Operation().Metadata[roleOf].(Role)
		p := refusal(callerOf(ctx.Context()), role)
		if p == nil {
			next(ctx)
			return
		}
		if p.Status == http.StatusUnauthorized {
			ctx.SetHeader("WWW-Authenticate", `Bearer realm="xconsumer"`)
		}
		ctx.SetHeader("Content-Type", "application/problem+json")
		ctx.SetStatus(p.Status)
		_ = api.Marshal(ctx.BodyWriter(), "application/json", p) // the client has gone
	}
}

// limits slow callers down, each by itself.
type limits struct {
	every rate.Limit
	burst int

	mu    sync.Mutex
	known map[string]*rate.Limiter
}

func (l *limits) of(who string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil || len(l.known) >= maxKnown {
		l.known = map[string]*rate.Limiter{}
	}
	limiter := l.known[who]
	if limiter == nil {
		limiter = rate.NewLimiter(l.every, l.burst)
		l.known[who] = limiter
	}
	return limiter
}

// allow counts what somebody does, and tells whether they may.
func (l *limits) allow(who string) bool { return l.of(who).Allow() }

// exceeded tells whether somebody has done all that they may, without counting.
func (l *limits) exceeded(who string) bool { return l.of(who).Tokens() < 1 }
