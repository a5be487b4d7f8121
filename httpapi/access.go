package httpapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
)

// Access says who may do what. The zero value lets everybody do everything, who can reach the node under a name of this
// machine.
type Access = access.Access

// Token lets somebody in. Of the secret only its SHA-256 is kept.
type Token = access.Token

// MinToken is how long a token has to be, in bytes.
const MinToken = access.MinToken

// ParseToken reads "NAME ROLE TOKEN", where TOKEN is the secret itself or "sha256:" and its hash in hexadecimal. No error
// shows a part of the secret.
func ParseToken(text string) (Token, error) { return access.ParseToken(text) }

// Role is what somebody may do. Each may do what those before it may.
type Role = access.Role

// The roles.
const (
	RoleView    = access.RoleView    // look at everything but secrets, and try plans
	RoleOperate = access.RoleOperate // scale, pause, restart, move, drain
	RoleAdmin   = access.RoleAdmin   // declare and delete tasks, evict nodes, let the leader step down
)

// as says which role an operation needs.
func as(role Role) map[string]any { return map[string]any{roleOf: role} }

// roleOf is the role that an operation needs.
const roleOf = "role"

// authorize is what huma asks before every operation.
func authorize(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		role, _ := ctx.Operation().Metadata[roleOf].(Role)
		p := access.Refusal(access.CallerOf(ctx.Context()), role)
		if p == nil {
			next(ctx)
			return
		}
		if p.Status == http.StatusUnauthorized {
			ctx.SetHeader("WWW-Authenticate", access.Challenge)
		}
		refuse(api, ctx, p)
	}
}
