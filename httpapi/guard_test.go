package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// tokens are three people with a role each; the last one has two tokens.
func tokens(t *testing.T) *httpapi.Access {
	t.Helper()
	var list []httpapi.Token
	for _, line := range []string{"vic view " + secretOf("view"), "opa operate " + secretOf("operate"), "ada admin " + hashed(secretOf("admin")), "ada admin " + secretOf("next")} {
		token, err := httpapi.ParseToken(line)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, token)
	}
	return &httpapi.Access{Tokens: func() []httpapi.Token { return list }}
}

func secretOf(name string) string { return name + strings.Repeat("-secret", 4) }

func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Everybody may do what their role says, and nothing else.
func TestRoles(t *testing.T) {
	n := doing(nil)
	server := apinode.Serve(t, n, httpapi.Options{Access: tokens(t), Log: slog.New(slog.DiscardHandler)})
	do := func(token, method, path, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var p httpapi.Problem
		if resp.StatusCode >= 400 && (json.Unmarshal(text, &p) != nil || p.Detail == "" || p.Status != resp.StatusCode || resp.Header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s %s: %s %s", method, path, resp.Status, text)
		}
		return resp.StatusCode
	}
	for _, c := range []struct {
		method, path, body string
		role               int // 0: anybody, 1: view, 2: operate, 3: admin
		ok                 int
	}{
		{"GET", "/healthz", "", 0, 200},
		{"GET", "/api/v1/openapi.yaml", "", 0, 200},
		{"GET", "/api/v1/state", "", 1, 200},
		{"GET", "/api/v1/session", "", 0, 200},
		{"GET", "/api/v1/nodes", "", 1, 200},
		{"GET", "/api/v1/tasks", "", 1, 200},
		{"GET", "/api/v1/workers", "", 1, 200},
		{"GET", "/api/v1/config", "", 1, 200},
		{"POST", "/api/v1/plan", `{}`, 1, 200},
		{"POST", "/api/v1/tasks/a/scale", `{"workers":1}`, 2, 202},
		{"POST", "/api/v1/tasks/a/pause", ``, 2, 202},
		{"POST", "/api/v1/nodes/a/drain", ``, 2, 202},
		{"POST", "/api/v1/plan/apply", `{"revision":"r","change":{"drain":["n"]}}`, 2, 202},
		{"POST", "/api/v1/plan/apply", `{"revision":"r","change":{"delete":["a"]}}`, 3, 202},
		{"POST", "/api/v1/nodes/a/evict", ``, 3, 202},
		{"POST", "/api/v1/nodes/a/label", `{"labels":{"x":"y"}}`, 3, 202},
		{"POST", "/api/v1/leader/step-down", ``, 3, 202},
		{"DELETE", "/api/v1/tasks/a", ``, 3, 202},
		{"POST", "/api/v1/tasks", `{"name":"a","workName":"w","workerNum":1}`, 3, 202},
	} {
		for rank, token := range []string{"", secretOf("view"), secretOf("operate"), secretOf("admin")} {
			want := c.ok
			switch {
			case rank < c.role && rank == 0:
				want = http.StatusUnauthorized
			case rank < c.role:
				want = http.StatusForbidden
			}
			if got := do(token, c.method, c.path, c.body); got != want {
				t.Errorf("%s %s %s as %d: %d; want %d", c.method, c.path, c.body, rank, got, want)
			}
		}
	}
	if got := do(secretOf("next"), "DELETE", "/api/v1/tasks/a", ""); got != http.StatusAccepted {
		t.Errorf("the second token: %d", got)
	}
	statuses := map[int]int{}
	for range 30 {
		statuses[do("no token of this node", "GET", "/api/v1/state", "")]++
	}
	if statuses[http.StatusUnauthorized] < 15 || statuses[http.StatusTooManyRequests] < 5 {
		t.Errorf("guessing tokens: %v", statuses)
	}
}

// A node that asks for tokens and has none lets nobody in.
func TestNoTokensLetNobodyIn(t *testing.T) {
	server := apinode.Serve(t, doing(nil), httpapi.Options{Access: &httpapi.Access{Tokens: func() []httpapi.Token { return nil }}, Log: slog.New(slog.DiscardHandler)})
	for path, want := range map[string]int{"/api/v1/state": 401, "/metrics": 404, "/healthz": 200} {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s; want %d", path, resp.Status, want)
		}
	}
	resp, err := http.Post(server.URL+"/api/v1/tasks/a/pause", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a write: %s", resp.Status)
	}
}

// A browser logs in with a token, and has a cookie that no script and no other site can use.
func TestLogin(t *testing.T) {
	server := apinode.Serve(t, newNode(cluster.State{}), httpapi.Options{Access: tokens(t)})
	post := func(path, body string, cookie *http.Cookie) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
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
	get := func(cookie *http.Cookie) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/leader", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(cookie)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if resp := post("/api/v1/login", `{"token":"wrong"}`, nil); resp.StatusCode != http.StatusUnauthorized || len(resp.Cookies()) > 0 {
		t.Errorf("wrong: %s %v", resp.Status, resp.Cookies())
	}
	resp := post("/api/v1/login", `{"token":"`+secretOf("view")+`"}`, nil)
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		t.Fatalf("%s %v", resp.Status, resp.Cookies())
	}
	cookie := resp.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, "secret") || !strings.HasPrefix(cookie.Name, "xconsumer-") {
		t.Errorf("%+v", cookie)
	}
	if got := get(cookie); got != http.StatusOK {
		t.Errorf("with the cookie: %d", got)
	}
	if resp := post("/api/v1/tasks/a/pause", "", cookie); resp.StatusCode != http.StatusForbidden {
		t.Errorf("view pauses: %s", resp.Status)
	}
	post("/api/v1/logout", "", cookie)
	if got := get(cookie); got != http.StatusUnauthorized {
		t.Errorf("after the logout: %d", got)
	}
}

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
		if guessed = do("GET", "/api/v1/state", "", bearer("no token of this node")).StatusCode; guesses > 1000 {
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
	if text := logged.String(); strings.Count(text, "reason=unknown-token") != 1 || strings.Count(text, "reason=not-allowed by=vic from=127.0.0.1 method=POST path=/api/v1/tasks/a/pause") != 1 {
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

// Pages of other sites have nothing answered by the API, reads neither; the console can be linked to, and whoever is
// no browser is not concerned.
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
		var p httpapi.Problem
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

// A node answers to its own names only, so that no page can reach it under a name of the page's site.
func TestHosts(t *testing.T) {
	server := apinode.Serve(t, newNode(cluster.State{}), httpapi.Options{Access: &httpapi.Access{Hosts: []string{"node.example"}}})
	for host, want := range map[string]int{"localhost:1": 200, "127.0.0.1": 200, "[::1]:80": 200, "10.1.2.3:8800": 200, "node.example:80": 200, "NODE.example": 200, "evil.example": 421, "localhost.evil.example": 421} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s; want %d", host, resp.Status, want)
		}
	}
}

// What is too large or too fast is refused as such.
func TestLimits(t *testing.T) {
	n := doing(nil)
	if resp, _ := ask(t, n, http.MethodPost, "/api/v1/tasks/a/scale", `{"workers":`+strings.Repeat(" ", 2<<20)+`1}`); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("large: %s", resp.Status)
	}
	server := apinode.Serve(t, n, httpapi.Options{Log: slog.New(slog.DiscardHandler)})
	statuses := map[int]int{}
	for range 300 {
		resp, err := http.Post(server.URL+"/api/v1/tasks/a/pause", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if statuses[resp.StatusCode]++; resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if statuses[http.StatusAccepted] < 100 || statuses[http.StatusTooManyRequests] == 0 {
		t.Errorf("%v", statuses)
	}
}

func TestParseToken(t *testing.T) {
	for text, want := range map[string]string{
		"ada admin " + secretOf("x"):          "",
		"ada admin " + hashed("x"):            "",
		"ada admin short":                     "fewer than 20 characters",
		"ada boss " + secretOf("x"):           "none of view, operate, admin",
		"ada " + secretOf("x") + " admin":     "none of view, operate, admin",
		"ada admin":                           "want NAME ROLE TOKEN",
		"ada admin sha256:abc":                "64 hexadecimal digits",
		"ada admin sha256:" + hashed("x")[8:]: "64 hexadecimal digits",
	} {
		_, err := httpapi.ParseToken(text)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}
