package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
)

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

// sessions serves logins.
type sessions struct{ *routes }

func (api *sessions) serve() {
	tags := []string{"session"}
	type login struct {
		Body struct {
			Token string `json:"token" maxLength:"1000" doc:"The token."`
		}
	}
	handle(api.routes, huma.Operation{
		OperationID: "login",
		Method:      http.MethodPost,
		Path:        access.LoginPath,
		Tags:        tags,
		Errors:      []int{http.StatusUnauthorized, http.StatusTooManyRequests},
		Summary:     "Logs a browser in, with a cookie that no script can read",
	}, func(ctx context.Context, in *login) (*loginAnswer, error) {
		t, cookie, wrong := api.auth.LogIn(requestOf(ctx), in.Body.Token)
		if wrong != nil {
			return nil, wrong
		}
		return &loginAnswer{cookie, Login{Name: t.Name, Role: t.Role}}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: access.LogoutPath, Tags: tags, Summary: "Ends a login",
	}, func(ctx context.Context, _ *struct{}) (*loginAnswer, error) {
		return &loginAnswer{api.auth.LogOut(requestOf(ctx)), Login{Open: api.auth.Open()}}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-session",
		Method:      http.MethodGet,
		Path:        "/api/v1/session",
		Tags:        tags,
		Summary:     "The caller's identity; the role is empty for an unauthenticated caller",
	}, func(ctx context.Context, _ *struct{}) (*body[Login], error) {
		c := access.CallerOf(ctx)
		return &body[Login]{Login{Name: c.Name, Role: c.Role, Open: api.auth.Open()}}, nil
	})
}
