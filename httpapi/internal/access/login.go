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

// Where browsers log in and out. Middleware lets through to both who has no role.
const (
	LoginPath  = "/api/v1/login"
	LogoutPath = "/api/v1/logout" // of a login that has ended as well: it takes the cookie away
)

// How long a login lasts, and how many there are at a time with one token. Valid tokens times logins of each is all that
// there are.
const (
	sessionLife      = 12 * time.Hour
	sessionsPerToken = 100
)

// logins are the logins of browsers. A browser has a random number in a cookie that no script can read, in
// place of the token itself; it ends with the token.
type logins struct {
	mu   sync.Mutex
	open map[string]session // by the number
}

type session struct {
	token [sha256.Size]byte
	until time.Time
}

// cookieName tells the nodes of one machine apart: cookies are of a host, whatever its port. Over TLS the name has
// the prefix by which browsers take the cookie from this host alone, and over TLS alone.
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

// begin lets a browser in with a token that is valid. If that has too many logins, its oldest ends: whoever has a token
// can end no login of another.
func (s *logins) begin(t Token, access *Access) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	valid := map[[sha256.Size]byte]bool{}
	for _, other := range access.All() { // those of now: what was read before the lock could end a login that a later one has begun
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

// find returns the token that a login was made with, while that is valid.
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

// LogIn begins a login with a token. It returns the token and the cookie for the browser, or the answer to a token that
// is not valid.
func (m *Middleware) LogIn(r *http.Request, secret string) (Token, http.Cookie, *answer.Problem) {
	t, ok := m.access.find(secret)
	if !ok {
		return Token{}, http.Cookie{}, m.mistaken(r, "invalid token")
	}
	return t, m.access.cookie(r, m.logins.begin(t, m.access), sessionLife), nil
}

// LogOut ends the login of a request, if it has one, and returns the cookie that takes the browser's away.
func (m *Middleware) LogOut(r *http.Request) http.Cookie {
	if cookie, err := r.Cookie(m.access.cookieName(r)); err == nil {
		m.logins.end(cookie.Value)
	}
	return m.access.cookie(r, "", 0)
}

// cookie returns the cookie of a login, for an age; 0 takes it away.
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
