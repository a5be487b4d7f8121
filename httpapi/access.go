package httpapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
)

// Access lists the callers and their roles. The zero value gives every role to each caller that reaches the node under a
// name of this machine.
type Access = access.Access

// Token authenticates a caller. It holds only the SHA-256 of the secret.
type Token = access.Token

// MinToken is the minimum length of a token, in bytes.
const MinToken = access.MinToken

// ParseToken reads "NAME ROLE TOKEN", where TOKEN is the secret itself or "sha256:" and its hash in hexadecimal. Errors
// never contain a part of the secret.
func ParseToken(text string) (Token, error) { return access.ParseToken(text) }

// Role is what a caller may do. Each role includes the ones before it.
type Role = access.Role

// The roles.
const (
	RoleView    = access.RoleView    // read everything but secrets, and calculate plans
	RoleOperate = access.RoleOperate // scale, pause, restart, move, drain
	RoleAdmin   = access.RoleAdmin   // declare and delete tasks, evict nodes, make the leader step down
)

// as returns the metadata of an operation that needs a role.
func as(role Role) map[string]any { return map[string]any{roleOf: role} }

// roleOf is the key of an operation's role in its metadata.
const roleOf = "role"

// roleNeeded returns the role that an operation needs, "" for none.
func roleNeeded(op *huma.Operation) string {
	role, _ := op.Metadata[roleOf].(Role)
	return string(role)
}

// authorize returns the middleware that refuses callers without the role that the operation needs.
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
