package httpapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/httpapi"
)

// A token has a number of logins, of which the oldest ends when there is one more. Those of other tokens go on.
func TestLoginsOfOneTokenEndNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := httpapi.New(doing(nil), httpapi.Options{Access: tokens(t), Log: slog.New(slog.DiscardHandler)})
		login := func(token string) *http.Cookie {
			t.Helper()
			time.Sleep(time.Second)
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/api/v1/login", strings.NewReader(`{"token":"`+token+`"}`))
			r.Header.Set("Content-Type", "application/json")
			if api.ServeHTTP(w, r); w.Code != http.StatusOK {
				t.Fatalf("login: %d %s", w.Code, w.Body)
			}
			return w.Result().Cookies()[0]
		}
		works := func(cookie *http.Cookie) bool {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/v1/session", nil)
			r.AddCookie(cookie)
			api.ServeHTTP(w, r)
			return w.Code == http.StatusOK && strings.Contains(w.Body.String(), `"role":"`) && !strings.Contains(w.Body.String(), `"role":""`)
		}
		const most = 100
		var others, same []*http.Cookie
		others = append(others, login(secretOf("view")), login(secretOf("admin")))
		for range 1100 {
			same = append(same, login(secretOf("operate")))
		}
		others = append(others, login(secretOf("view")))
		for i, cookie := range others {
			if !works(cookie) {
				t.Errorf("login %d of somebody else has ended", i)
			}
		}
		for i, cookie := range same {
			if want := i >= len(same)-most; works(cookie) != want {
				t.Fatalf("login %d of %d with one token works: %t; want %t", i, len(same), !want, want)
			}
		}
		time.Sleep(12*time.Hour + time.Second)
		for _, cookie := range append(others, same...) {
			if works(cookie) {
				t.Fatal("a login works for longer than twelve hours")
			}
		}
	})
}
