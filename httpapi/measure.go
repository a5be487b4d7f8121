package httpapi

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
)

// bounds are the bucket bounds of request durations, in seconds.
var bounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 30}

// requests counts and times the requests to an API.
type requests struct {
	mu    sync.Mutex
	count map[answered]float64
	took  map[string]*cluster.Series // by route
}

type answered struct{ route, method, code string }

// routeKey is the key, in the context of a request, of the pointer that receives the request's route.
type routeKey struct{}

// recordRoute records the route of a request.
func recordRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if route, ok := r.Context().Value(routeKey{}).(*string); ok {
			_, *route, _ = strings.Cut(r.Pattern, " ")
		}
	})
}

// measured counts every request, including refused ones.
func (q *requests) measured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, began, seen := "", time.Now(), answer.Record(w)
		next.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), routeKey{}, &route)))
		q.add(route, r.Method, seen.Code, time.Since(began))
	})
}

func (q *requests) add(route, method string, code int, took time.Duration) {
	if route == "" {
		route = "other" // the console's files, unknown paths, and requests that were refused before routing
	}
	if !slices.Contains(
		[]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		method,
	) {
		method = "other" // a caller must not choose the number of series
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count == nil {
		q.count, q.took = map[answered]float64{}, map[string]*cluster.Series{}
	}
	q.count[answered{route, method, strconv.Itoa(code)}]++
	if strings.HasSuffix(route, "/stream") || strings.HasSuffix(route, "/log") {
		return // they last as long as the client stays
	}
	s := q.took[route]
	if s == nil {
		s = &cluster.Series{Labels: []string{route}, Buckets: map[float64]uint64{}}
		for _, b := range bounds {
			s.Buckets[b] = 0
		}
		q.took[route] = s
	}
	s.Count++
	s.Sum += took.Seconds()
	for _, b := range bounds {
		if took.Seconds() <= b {
			s.Buckets[b]++
		}
	}
}

// Measures returns the requests to the API since the process began, and the number of clients that follow its stream.
func (a *API) Measures() []cluster.Measure {
	q := &a.requests
	q.mu.Lock()
	defer q.mu.Unlock()
	count := cluster.Measure{
		Name:   "xconsumer_api_requests_total",
		Help:   "Requests answered by the HTTP API.",
		Kind:   cluster.MeasureCounter,
		Labels: []string{"route", "method", "code"},
	}
	for k, n := range q.count {
		count.Series = append(count.Series, cluster.Series{Labels: []string{k.route, k.method, k.code}, Value: n})
	}
	took := cluster.Measure{
		Name:   "xconsumer_api_request_seconds",
		Help:   "Duration of requests to the HTTP API, without streams and logs.",
		Kind:   cluster.MeasureHistogram,
		Labels: []string{"route"},
	}
	for _, s := range q.took {
		kept := *s
		kept.Buckets = maps.Clone(s.Buckets)
		took.Series = append(took.Series, kept)
	}
	return []cluster.Measure{count, took, a.auth.Measure(), {
		Name: "xconsumer_api_followers", Help: "Clients that follow this node's stream.", Kind: cluster.MeasureGauge,
		Series: []cluster.Series{{Value: float64(a.streams.Now())}},
	}}
}
