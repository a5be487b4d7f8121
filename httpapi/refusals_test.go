package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// Somebody who guesses tokens keeps nobody else out of the same address: not who has a valid one, by header, login or
// cookie, and not a probe. It is logged once, and counted.
func TestGuessersKeepNobodyOut(t *testing.T) {
	var logged bytes.Buffer
	var measures func() []cluster.Measure
	n := doing(nil)
	server := apinode.Serve(t, n, httpapi.Options{
		Access: tokens(t), Log: slog.New(slog.NewTextHandler(&logged, nil)),
		Metrics: func(api func() []cluster.Measure) http.Handler {
			measures = api
			return http.NotFoundHandler()
		},
	})
	do := func(method, path, body string, change func(*http.Request)) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		change(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	nobody := func(*http.Request) {}
	var guesses int
	for guessed := http.StatusUnauthorized; guessed != http.StatusTooManyRequests; guesses++ {
		guessed = do("GET", "/api/v1/state", "", bearer("no token of this node")).StatusCode
		if guesses > 1000 {
			t.Fatal("guessing is never slowed down")
		}
	}
	for range 10 {
		guesses++
		do("GET", "/api/v1/state", "", bearer("no token of this node"))
		login := do("POST", "/api/v1/login", `{"token":"`+secretOf("view")+`"}`, nobody)
		if login.StatusCode != http.StatusOK {
			t.Fatalf("login: %s", login.Status)
		}
		for what, got := range map[string]*http.Response{
			"probe":                           do("GET", "/healthz", "", nobody),
			"probe of what is ready":          do("GET", "/readyz", "", nobody),
			"probe with a token that is none": do("GET", "/healthz", "", bearer("no token of this node")),
			"token":                           do("GET", "/api/v1/leader", "", bearer(secretOf("view"))),
			"cookie":                          do("GET", "/api/v1/leader", "", func(r *http.Request) { r.AddCookie(login.Cookies()[0]) }),
		} {
			if got.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", what, got.Status)
			}
		}
	}
	for range 3 {
		do("POST", "/api/v1/tasks/a/pause", "", bearer(secretOf("view")))
	}
	if text := logged.String(); strings.Count(text, "reason=unknown-token") != 1 || strings.Count(text, "reason=not-allowed caller=vic from=127.0.0.1 method=POST path=/api/v1/tasks/a/pause") != 1 {
		t.Errorf("the log says: %s", text)
	}
	for _, m := range measures() {
		if m.Name != "xconsumer_api_refused_total" {
			continue
		}
		got := map[string]float64{}
		for _, s := range m.Series {
			got[s.Labels[0]] = s.Value
		}
		if diff := cmp.Diff(map[string]float64{"unknown-token": float64(guesses), "not-allowed": 3, "cross-site": 0}, got); diff != "" {
			t.Error(diff)
		}
	}
}

// Whoever floods a node with writes, with no token or with a valid one, keeps no valid token and no login out of the
// same address.
func TestFloodsOfWritesKeepNobodyOut(t *testing.T) {
	for name, flooder := range map[string]string{"nobody": "", "somebody with a token": secretOf("view")} {
		for _, path := range []string{"/api/v1/tasks/a/pause", "/api/v1/nothing", "/api/v1/login", "/api/v1/logout"} {
			t.Run(name+" "+path, func(t *testing.T) {
				api := httpapi.New(doing(nil), httpapi.Options{Access: tokens(t), Log: slog.New(slog.DiscardHandler)})
				post := func(path, body, token string) *httptest.ResponseRecorder {
					w := httptest.NewRecorder()
					r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1"+path, strings.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					if token != "" {
						r.Header.Set("Authorization", "Bearer "+token)
					}
					api.ServeHTTP(w, r)
					return w
				}
				for range 300 {
					w := post(path, "", flooder)
					if wanted := flooder == "" && path != "/api/v1/login" && path != "/api/v1/logout"; wanted && (w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "") {
						t.Fatalf("nobody writes: %d, challenge %q; want 401 and one", w.Code, w.Header().Get("WWW-Authenticate"))
					}
				}
				for what, c := range map[string]struct {
					path, body, token string
					want              int
				}{
					"a login":                   {"/api/v1/login", `{"token":"` + secretOf("operate") + `"}`, "", http.StatusOK},
					"a login of the flooder":    {"/api/v1/login", `{"token":"` + secretOf("view") + `"}`, flooder, http.StatusOK},
					"a write of somebody else":  {"/api/v1/tasks/a/pause", "", secretOf("operate"), http.StatusAccepted},
					"a logout of somebody else": {"/api/v1/logout", "", secretOf("operate"), http.StatusOK},
				} {
					if w := post(c.path, c.body, c.token); w.Code != c.want {
						t.Errorf("%s: %d %s; want %d", what, w.Code, w.Body, c.want)
					}
				}
			})
		}
	}
}

// Whoever comes from many addresses makes a node forget nobody who is slowed down.
func TestFloodsOfAddressesPushNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := httpapi.New(doing(nil), httpapi.Options{Access: tokens(t), Log: slog.New(slog.DiscardHandler)})
		guess := func(from string) int {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/v1/session", nil)
			r.RemoteAddr = from + ":1"
			r.Header.Set("Authorization", "Bearer no token of this node")
			api.ServeHTTP(w, r)
			return w.Code
		}
		for address, passed := 0, time.Duration(0); passed < 3*time.Minute; passed += time.Minute {
			for range 20 {
				guess("1.2.3.4")
			}
			for range 12_000 {
				address++
				if got := guess(fmt.Sprintf("10.%d.%d.%d", address>>16, address>>8&255, address&255)); got != http.StatusUnauthorized {
					t.Fatalf("the first guess of an address: %d; want 401", got)
				}
			}
			if got := guess("1.2.3.4"); got != http.StatusTooManyRequests {
				t.Errorf("after %v somebody who guesses is forgotten: %d; want 429", passed, got)
			}
			time.Sleep(time.Minute)
		}
		if got := guess("1.2.3.4"); got != http.StatusUnauthorized {
			t.Errorf("after a minute of rest: %d; want 401", got)
		}
	})
}

// Pages of other sites have nothing answered by the API, reads neither; the console can be linked to, and programs
// other than browsers are not concerned.
func TestPagesOfOtherSites(t *testing.T) {
	server := apinode.Serve(t, doing(nil), httpapi.Options{Log: slog.New(slog.DiscardHandler)})
	for _, c := range []struct {
		method, path string
		header       http.Header
		want         int
	}{
		{"GET", "/api/v1/state", http.Header{}, 200},
		{"GET", "/api/v1/state", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
		{"GET", "/api/v1/state", http.Header{"Sec-Fetch-Site": {"none"}}, 200},
		{"GET", "/api/v1/state", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"GET", "/api/v1/stream", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"GET", "/api/v1/workers/a/0/log", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"GET", "/api/v1/state", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"GET", "/metrics", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"POST", "/api/v1/tasks/a/pause", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"POST", "/api/v1/tasks/a/pause", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"POST", "/api/v1/tasks/a/pause", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 202},
		{"GET", "/", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 200},
		{"GET", "/healthz", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = c.header
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var p client.Problem
		if resp.StatusCode == http.StatusForbidden && (json.NewDecoder(resp.Body).Decode(&p) != nil || p.Status != http.StatusForbidden || p.Detail == "" || resp.Header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s %s %v: %s %+v", c.method, c.path, c.header, resp.Header.Get("Content-Type"), p)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s %v: %s; want %d", c.method, c.path, c.header, resp.Status, c.want)
		}
	}
}

// Behind a proxy that is named, its word is taken for who asks and whether over TLS; of nobody else.
func TestProxies(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/24")}
	for _, c := range []struct {
		proxies       []netip.Prefix
		proto, passed string
		name, from    string
		secure        bool
	}{
		{nil, "https", "1.2.3.4", "xconsumer-8800", "127.0.0.1", false},
		{loopback, "", "", "xconsumer-8800", "127.0.0.1", false},
		{loopback, "http", "1.2.3.4", "xconsumer-8800", "1.2.3.4", false},
		{loopback, "https", "6.6.6.6, 1.2.3.4", "__Host-xconsumer-8800", "1.2.3.4", true},
		{loopback, "https", "6.6.6.6, 1.2.3.4, 10.0.0.7", "__Host-xconsumer-8800", "1.2.3.4", true},
		{loopback, "https", "1.2.3.4, nonsense", "__Host-xconsumer-8800", "127.0.0.1", true},
	} {
		var logged bytes.Buffer
		access := tokens(t)
		access.Proxies = c.proxies
		server := apinode.Serve(t, newNode(cluster.State{}), httpapi.Options{Access: access, Log: slog.New(slog.NewTextHandler(&logged, nil))})
		ask := func(method, path, body string, cookie *http.Cookie) *http.Response {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "127.0.0.1:8800"
			r.Header.Set("X-Forwarded-Proto", c.proto)
			r.Header.Set("X-Forwarded-For", c.passed)
			if cookie != nil {
				r.AddCookie(cookie)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			return resp
		}
		ask("POST", "/api/v1/login", `{"token":"wrong"}`, nil)
		if !strings.Contains(logged.String(), "from="+c.from+" ") {
			t.Errorf("%+v: %s", c, logged.String())
		}
		cookies := ask("POST", "/api/v1/login", `{"token":"`+secretOf("view")+`"}`, nil).Cookies()
		if len(cookies) != 1 || cookies[0].Name != c.name || cookies[0].Secure != c.secure || cookies[0].Path != "/" || cookies[0].Domain != "" {
			t.Errorf("%+v: %+v", c, cookies)
			continue
		}
		if resp := ask("GET", "/api/v1/leader", "", cookies[0]); resp.StatusCode != http.StatusOK {
			t.Errorf("%+v: with the cookie: %s", c, resp.Status)
		}
	}
}
