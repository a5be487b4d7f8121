package httpapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/client"
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
		var p client.Problem
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
		{"POST", "/api/v1/plan/apply", `{"revision":"r","operations":[{"kind":"drain","node":"n"}]}`, 2, 202},
		{"POST", "/api/v1/plan/apply", `{"revision":"r","operations":[{"kind":"drain","node":"n"},{"kind":"delete","task":"a"}]}`, 3, 202},
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
		statuses[resp.StatusCode]++
		if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
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
		"ada boss " + secretOf("x"):           "want view, operate or admin",
		"ada " + secretOf("x") + " admin":     "want view, operate or admin",
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
