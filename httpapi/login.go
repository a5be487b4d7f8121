package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
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
	for _, other := range access.tokens() { // those of now: what was read before the lock could end a login that a later one has begun
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
	for _, t := range access.tokens() {
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

// Login is who somebody is.
type Login struct {
	Name string `json:"name" doc:"Whose token it is."`
	Role Role   `json:"role" enum:",view,operate,admin" doc:"What they may do."`
	Open bool   `json:"open" doc:"The node asks nobody for a token."`
}

type loginAnswer struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Login
}

// requestKey finds the request of an operation in its context.
type requestKey struct{}

func requestOf(ctx context.Context) *http.Request {
	r, _ := ctx.Value(requestKey{}).(*http.Request)
	return r
}

func (a *API) cookie(r *http.Request, value string, age time.Duration) http.Cookie {
	seconds := int(age.Seconds())
	if age <= 0 {
		seconds = -1
	}
	return http.Cookie{ //nolint:gosec // not Secure where there is no TLS: browsers would not keep it
		Name: a.access.cookieName(r), Value: value, Path: "/", MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: a.access.secure(r),
	}
}

const (
	loginPath  = "/api/v1/login"
	logoutPath = "/api/v1/logout" // of a login that has ended as well: it takes the cookie away
)

func (a *API) serveSessions() {
	tags := []string{"session"}
	type login struct {
		Body struct {
			Token string `json:"token" maxLength:"1000" doc:"The token."`
		}
	}
	handle(a, huma.Operation{
		OperationID: "login",
		Method:      http.MethodPost,
		Path:        loginPath,
		Tags:        tags,
		Errors:      []int{http.StatusUnauthorized, http.StatusTooManyRequests},
		Summary:     "Logs a browser in, with a cookie that no script can read",
	}, func(ctx context.Context, in *login) (*loginAnswer, error) {
		t, ok := a.access.find(in.Body.Token)
		r := requestOf(ctx)
		if !ok {
			return nil, a.auth.mistaken(r, "invalid token")
		}
		return &loginAnswer{a.cookie(r, a.auth.logins.begin(t, a.access), sessionLife), Login{Name: t.Name, Role: t.Role}}, nil
	})
	handle(a, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: logoutPath, Tags: tags, Summary: "Ends a login",
	}, func(ctx context.Context, _ *struct{}) (*loginAnswer, error) {
		r := requestOf(ctx)
		if cookie, err := r.Cookie(a.access.cookieName(r)); err == nil {
			a.auth.logins.end(cookie.Value)
		}
		return &loginAnswer{a.cookie(r, "", 0), Login{Open: !a.access.closed()}}, nil
	})
	handle(a, huma.Operation{
		OperationID: "get-session",
		Method:      http.MethodGet,
		Path:        "/api/v1/session",
		Tags:        tags,
		Summary:     "The caller's identity; the role is empty for an unauthenticated caller",
	}, func(ctx context.Context, _ *struct{}) (*body[Login], error) {
		c := callerOf(ctx)
		return &body[Login]{Login{Name: c.name, Role: c.role, Open: !a.access.closed()}}, nil
	})
}

// as says which role an operation needs.
func as(role Role) map[string]any { return map[string]any{roleOf: role} }
