package httpapi

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/time/rate"

	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
)

// How fast somebody may write, and fail to say who they are.
const (
	writesPerSecond   = 50
	writesAtOnce      = 100
	mistakesPerSecond = 1
	mistakesAtOnce    = 20
	maxKnown          = 10_000 // callers that are told apart
)

// authMiddleware stands before everything: it refuses what is not for this node, finds out who asks, and slows them
// down. What one caller does keeps no other out: not one with a valid token, and not a probe, whatever address they
// share.
type authMiddleware struct {
	access   *Access
	logins   logins
	local    []string // names of this machine
	writes   limits
	mistakes limits
	refusals refusals
	next     http.Handler
}

func newAuthMiddleware(access *Access, log *slog.Logger, next http.Handler) *authMiddleware {
	g := &authMiddleware{
		access: access, next: next, local: []string{"localhost"},
		writes:   limits{every: writesPerSecond, burst: writesAtOnce},
		mistakes: limits{every: mistakesPerSecond, burst: mistakesAtOnce},
		refusals: refusals{log: log, logged: limits{every: rate.Every(time.Minute), burst: 1}, count: map[string]float64{}},
	}
	if host, err := os.Hostname(); err == nil {
		g.local = append(g.local, host)
	}
	return g
}

func (g *authMiddleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.access.answersTo(r.Host, g.local) {
		answer.Send(w, &problem{Status: http.StatusMisdirectedRequest, Title: "not for this node",
			Detail: fmt.Sprintf("this node does not answer for %q; use its address, or add the name to [http] hosts", r.Host)})
		return
	}
	from := g.access.from(r)
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		g.next.ServeHTTP(w, withCaller(r, caller{from: from}))
		return
	}
	c, known := g.identify(r)
	c.from = from
	if !known {
		answer.Send(w, g.mistaken(r, "invalid token; check --token or XCONSUMER_API_TOKEN; in the console, log in again"))
		return
	}
	if !reads(r) {
		if p := g.refusesWrite(r, c); p != nil {
			challenge(w, p)
			answer.Send(w, p)
			return
		}
		seen := &status{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			if refused := seen.code == http.StatusUnauthorized || seen.code == http.StatusForbidden; refused && r.URL.Path != loginPath {
				g.refusals.add(r, refusedRole, c)
			}
		}()
		w = seen
	}
	if r.URL.Query().Has("wait") {
		until := time.Now().Add(maxWait + patience)
		rc := http.NewResponseController(w)
		_, _ = rc.SetReadDeadline(until), rc.SetWriteDeadline(until)
	}
	g.next.ServeHTTP(w, withCaller(r, c))
}

// refusesWrite returns why somebody may not write now, nil if they may, as far as that does not depend on what they
// write. Whoever has no role takes nothing of the limit of those who have one and come from the same address. Logins
// have no such limit: wrong tokens have their own, and a flood must not keep out a valid one.
func (g *authMiddleware) refusesWrite(r *http.Request, c caller) *problem {
	switch {
	case r.URL.Path == loginPath:
		return nil
	case c.role == "" && r.URL.Path != logoutPath:
		g.refusals.add(r, refusedRole, c)
		return refusal(c, RoleView)
	case !g.writes.allow(source{c.name, network(c.from)}):
		return answer.TooFast(fmt.Sprintf("more than %d writes a second", writesPerSecond))
	}
	return nil
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// mistaken counts a token that is none, and returns the answer to it: what is wrong, or that there were too many.
func (g *authMiddleware) mistaken(r *http.Request, why string) *problem {
	from := g.access.from(r)
	g.refusals.add(r, refusedToken, caller{from: from})
	if !g.mistakes.allow(source{"token", network(from)}) {
		return answer.TooFast("too many attempts from " + from + " with a wrong token")
	}
	return &problem{Status: http.StatusUnauthorized, Title: "unknown token", Detail: why}
}

// still reports whether whoever has asked for something that goes on may look at it now.
func (g *authMiddleware) still(r *http.Request) bool {
	c, known := g.identify(r)
	return known && c.name == callerOf(r.Context()).name && refusal(c, RoleView) == nil
}

// identify finds out who asks. It returns false for somebody whose token is none.
func (g *authMiddleware) identify(r *http.Request) (caller, bool) {
	if !g.access.closed() {
		return caller{name: "somebody", role: RoleAdmin}, true
	}
	if scheme, secret, given := strings.Cut(r.Header.Get("Authorization"), " "); given && strings.EqualFold(scheme, "Bearer") {
		t, ok := g.access.find(strings.TrimSpace(secret))
		return caller{name: t.Name, role: t.Role, proven: ok}, ok
	}
	if cookie, err := r.Cookie(g.access.cookieName(r)); err == nil {
		if t, ok := g.logins.find(cookie.Value, g.access); ok {
			return caller{name: t.Name, role: t.Role, proven: true}, true
		}
	}
	if role := g.access.Certificates; role != "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 &&
		(g.access.Trusts == nil || g.access.Trusts(r.TLS.PeerCertificates)) {
		return caller{name: r.TLS.VerifiedChains[0][0].Subject.CommonName, role: role, proven: true}, true
	}
	return caller{}, true
}

// refusal returns why somebody may not do what needs a role, nil if they may.
func refusal(c caller, wanted Role) *problem {
	switch {
	case wanted == "", c.role.May(wanted):
		return nil
	case c.role == "":
		return &problem{
			Status: http.StatusUnauthorized,
			Title:  "authentication required",
			Detail: "this node requires a token: xconsumer --token or XCONSUMER_API_TOKEN, \"Authorization: Bearer …\", or a login",
		}
	}
	return &problem{
		Status: http.StatusForbidden,
		Title:  "not allowed",
		Detail: fmt.Sprintf("%s has the role %s, and this needs %s", c.name, c.role, wanted),
	}
}

// viewing lets through who may look.
func viewing(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p := refusal(callerOf(r.Context()), RoleView); p != nil {
			challenge(w, p)
			answer.Send(w, p)
			return
		}
		next(w, r)
	}
}

func challenge(w http.ResponseWriter, p *problem) {
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
		refuse(api, ctx, p)
	}
}

// limits slow callers down, each by itself.
type limits struct {
	every rate.Limit
	burst int

	mu    sync.Mutex
	known map[source]*rate.Limiter
}

func (l *limits) of(who source) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.known[who]
	if limiter != nil {
		return limiter
	}
	if len(l.known) >= maxKnown {
		l.forget(time.Now())
	}
	if l.known == nil {
		l.known = map[source]*rate.Limiter{}
	}
	limiter = rate.NewLimiter(l.every, l.burst)
	l.known[who] = limiter
	return limiter
}

// forget makes room for a tenth of those who are known, at least. Those at rest go first, for whom nothing changes, and
// then those who are nearest to it: whoever comes from many addresses pushes out none who is slowed down.
func (l *limits) forget(now time.Time) {
	type left struct {
		who    source
		tokens float64
	}
	var active []left
	for who, limiter := range l.known {
		if tokens := limiter.TokensAt(now); tokens < float64(l.burst) {
			active = append(active, left{who, tokens})
		} else {
			delete(l.known, who)
		}
	}
	const most = maxKnown * 9 / 10
	slices.SortFunc(active, func(a, b left) int { return cmp.Compare(a.tokens, b.tokens) })
	for _, one := range active[min(most, len(active)):] {
		delete(l.known, one.who)
	}
}

// allow counts what somebody does, and reports whether they may.
func (l *limits) allow(who source) bool { return l.of(who).Allow() }
