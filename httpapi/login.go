package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
)

// Login is the identity of a caller.
type Login struct {
	Name string `json:"name" doc:"Name of the caller's token or certificate, empty for an unauthenticated caller."`
	Role Role   `json:"role" enum:",view,operate,admin" doc:"Role of the caller, empty for an unauthenticated caller."`
	Open bool   `json:"open" doc:"True if the node requires no token."`
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

// sessions serves logins.
type sessions struct{ *routes }

func (api *sessions) serve() {
	tags := []string{"session"}
	type login struct {
		Body struct {
			Token string `json:"token" maxLength:"1000" doc:"Secret of the token."`
		}
	}
	handle(api.routes, huma.Operation{
		OperationID: "login",
		Method:      http.MethodPost,
		Path:        access.LoginPath,
		Tags:        tags,
		Errors:      []int{http.StatusUnauthorized},
		Summary:     "Log a browser in",
		Description: "Sets a session cookie that scripts cannot read. Refused with 401 if the token is not valid, and with 429 after too many " +
			"wrong ones.",
	}, func(ctx context.Context, in *login) (*loginAnswer, error) {
		t, cookie, wrong := api.auth.LogIn(requestOf(ctx), in.Body.Token)
		if wrong != nil {
			return nil, wrong
		}
		return &loginAnswer{cookie, Login{Name: t.Name, Role: t.Role}}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: access.LogoutPath, Tags: tags, Summary: "Log a browser out",
		Description: "Ends the session of the cookie and deletes the cookie. Has no effect without a session.",
	}, func(ctx context.Context, _ *struct{}) (*loginAnswer, error) {
		return &loginAnswer{api.auth.LogOut(requestOf(ctx)), Login{Open: api.auth.Open()}}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-session",
		Method:      http.MethodGet,
		Path:        "/api/v1/session",
		Tags:        tags,
		Summary:     "Get the caller's identity",
		Description: "The name and the role of the caller, and whether the node requires a token. Answers unauthenticated callers, too.",
	}, func(ctx context.Context, _ *struct{}) (*body[Login], error) {
		c := access.CallerOf(ctx)
		return &body[Login]{Login{Name: c.Name, Role: c.Role, Open: api.auth.Open()}}, nil
	})
}
