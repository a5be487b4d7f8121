package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Why somebody is refused.
const (
	refusedToken = "unknown-token" // it is none of the node's
	refusedRole  = "not-allowed"   // a write, by somebody whose role does not allow it or who has none
	refusedSite  = "cross-site"    // asked for by a page of another site
)

// refusals counts what was refused, and logs one line a minute for each address and reason.
type refusals struct {
	log    *slog.Logger
	logged limits

	mu    sync.Mutex
	count map[string]float64
}

func (f *refusals) add(r *http.Request, why string, c caller) {
	f.mu.Lock()
	f.count[why]++
	f.mu.Unlock()
	if f.logged.allow(source{why, network(c.from)}) {
		f.log.Warn(
			"refused; more of the kind from there is not logged for a minute",
			"reason",
			why,
			"caller",
			c.name,
			"from",
			c.from,
			"method",
			r.Method,
			"path",
			cut(r.URL.Path, 200),
		)
	}
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// measure returns the counts, of each reason one.
func (f *refusals) measure() cluster.Measure {
	m := cluster.Measure{
		Name:   "xconsumer_api_refused_total",
		Help:   "What the HTTP API has refused: tokens that are none, writes that the role does not allow, pages of other sites.",
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

// errCrossOrigin: a page of another site asks.
var errCrossOrigin = errors.New("asked for by a page of another site")

// sameOrigin refuses what pages of other sites ask of the API, reads as well: they could not read the answer, but have
// it made, and hold what goes on. The console's own files may be linked to.
func (a *API) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asWrite := r
		if reads(r) && (strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/metrics") {
			asWrite = r.WithContext(r.Context()) // a copy
			asWrite.Method = http.MethodPost     // reads are never refused by it
		}
		if protection.Check(asWrite) != nil {
			a.auth.refusals.add(r, refusedSite, caller{from: a.access.from(r)})
			a.fail(w, errCrossOrigin)
			return
		}
		next.ServeHTTP(w, r)
	})
}
