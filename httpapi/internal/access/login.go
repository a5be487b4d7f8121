package access

import (
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
)

// The paths where browsers log in and out. Middleware lets callers without a role through to both.
const (
	LoginPath  = "/api/v1/login"
	LogoutPath = "/api/v1/logout" // also for a login that has ended: it deletes the cookie
)

// How long a login lasts, and how many one token has at a time. So the number of logins is bounded by that of valid tokens.
const (
	sessionLife      = 12 * time.Hour
	sessionsPerToken = 100
)

// logins are the logins of browsers. Instead of the token, a browser has a random id in a cookie that scripts cannot read.
// A login ends with its token.
type logins struct {
	mu   sync.Mutex
	open map[string]session // by id
}

type session struct {
	token [sha256.Size]byte
	until time.Time
}

// cookieName returns a name that contains the port, because browsers share cookies between all ports of a host. Over TLS it
// has the prefix that makes browsers accept the cookie only from this host and only over TLS.
func (a *Access) cookieName(r *http.Request) string {
	name := "xconsumer"
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		name += "-" + port
	}
	if a.secure(r) {
		name = "__Host-" + name
	}
	return name
}

// begin starts a login with a valid token, and returns its id. If the token has too many logins, its oldest one ends, so
// that the owner of a token cannot end logins of others.
func (s *logins) begin(t Token, access *Access) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	valid := map[[sha256.Size]byte]bool{}
	for _, other := range access.All() { // read under the lock: an older list could end a login that began since
		valid[other.Hash] = true
	}
	now := time.Now()
	logins, oldest := 0, ""
	for id, one := range s.open {
		switch {
		case now.After(one.until) || !valid[one.token]:
			delete(s.open, id)
		case one.token == t.Hash:
			logins++
			if oldest == "" || one.until.Before(s.open[oldest].until) {
				oldest = id
			}
		}
	}
	if logins >= sessionsPerToken {
		delete(s.open, oldest)
	}
	if s.open == nil {
		s.open = map[string]session{}
	}
	id := rand.Text()
	s.open[id] = session{t.Hash, now.Add(sessionLife)}
	return id
}

// find returns the token of a login, while the token is valid.
func (s *logins) find(id string, access *Access) (Token, bool) {
	s.mu.Lock()
	one, known := s.open[id]
	s.mu.Unlock()
	if !known || time.Now().After(one.until) {
		return Token{}, false
	}
	for _, t := range access.All() {
		if t.Hash == one.token {
			return t, true
		}
	}
	return Token{}, false
}

func (s *logins) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}

// LogIn begins a login with a token. It returns the token and the cookie for the browser, or the answer to an invalid
// token.
func (m *Middleware) LogIn(r *http.Request, secret string) (Token, http.Cookie, *answer.Problem) {
	t, ok := m.access.find(secret)
	if !ok {
		return Token{}, http.Cookie{}, m.mistaken(r, "invalid token")
	}
	return t, m.access.cookie(r, m.logins.begin(t, m.access), sessionLife), nil
}

// LogOut ends the login of a request, if it has one, and returns a cookie that deletes the browser's.
func (m *Middleware) LogOut(r *http.Request) http.Cookie {
	if cookie, err := r.Cookie(m.access.cookieName(r)); err == nil {
		m.logins.end(cookie.Value)
	}
	return m.access.cookie(r, "", 0)
}

// cookie returns the cookie of a login with a maximum age; 0 deletes it.
func (a *Access) cookie(r *http.Request, value string, age time.Duration) http.Cookie {
	seconds := int(age.Seconds())
	if age <= 0 {
		seconds = -1
	}
	return http.Cookie{ //nolint:gosec // not Secure where there is no TLS: browsers would not keep it
		Name: a.cookieName(r), Value: value, Path: "/", MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: a.secure(r),
	}
}
