package access

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
)

// The reasons of refusals.
const (
	refusedToken = "unknown-token" // an invalid token
	refusedRole  = "not-allowed"   // a write by a caller whose role does not allow it, or without a role
	refusedSite  = "cross-site"    // a request of a page of another site
)

// refusals counts refused requests, and logs one line a minute for each address and reason.
type refusals struct {
	log    *slog.Logger
	logged limits

	mu    sync.Mutex
	count map[string]float64
}

func (f *refusals) add(r *http.Request, why string, c Caller) {
	f.mu.Lock()
	f.count[why]++
	f.mu.Unlock()
	if f.logged.allow(source{why, network(c.From)}) {
		f.log.Warn(
			"request refused; similar ones from this address are not logged for a minute",
			"reason", why, "caller", c.Name, "from", c.From, "method", r.Method, "path", cut(r.URL.Path, 200),
		)
	}
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// Measure returns the number of refused requests for each reason.
func (m *Middleware) Measure() cluster.Measure { return m.refusals.measure() }

func (f *refusals) measure() cluster.Measure {
	m := cluster.Measure{
		Name:   "xconsumer_api_refused_total",
		Help:   "Requests refused by the HTTP API: invalid tokens, writes that the role does not allow, pages of other sites.",
		Kind:   cluster.MeasureCounter,
		Labels: []string{"reason"},
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, why := range []string{refusedToken, refusedRole, refusedSite} {
		m.Series = append(m.Series, cluster.Series{Labels: []string{why}, Value: f.count[why]})
	}
	return m
}

// SameOrigin refuses requests of other sites' pages to the API, including reads. Such a page cannot read the answer, but it
// could make the node produce it, and hold streams open. The console's own files may be linked to.
func (m *Middleware) SameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asWrite := r
		if Reads(r) && (strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/metrics") {
			asWrite = r.WithContext(r.Context()) // a copy
			asWrite.Method = http.MethodPost     // CrossOriginProtection lets all reads through
		}
		if protection.Check(asWrite) != nil {
			m.refusals.add(r, refusedSite, Caller{From: m.access.from(r)})
			answer.Send(w, &answer.Problem{Status: http.StatusForbidden, Title: "cross-site request",
				Detail: "a page of another site sent the request"})
			return
		}
		next.ServeHTTP(w, r)
	})
}
