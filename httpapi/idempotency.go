package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
)

// maxKey bounds a key, in bytes.
const maxKey = 255

// isKeyed says of an operation that it takes a key.
const isKeyed = "keyed"

// keyed lets an operation that writes take a key.
func keyed(op *huma.Operation) {
	op.Metadata[isKeyed] = true
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusGatewayTimeout)
	longest := maxKey
	op.Parameters = append(op.Parameters, &huma.Param{
		Name:   client.KeyHeader,
		In:     "header",
		Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &longest},
		Description: "A unique key for the request. Repeating the request with the same key, on any node, has no further effect and returns " +
			"the first answer; using the key for another request is refused. The keys of the last 200 operations that changed " +
			"something are remembered.",
	})
}

// handleKeyed is handle for an operation that writes.
func handleKeyed[I, O any](r *routes, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	keyed(&op)
	handle(r, op, h)
}

type keyOfRequest struct{}

// keyOf returns the key of a request, "" for none.
func keyOf(ctx context.Context) string {
	key, _ := ctx.Value(keyOfRequest{}).(string)
	return key
}

// idempotent notes the key of a request, and refuses one that means nothing: who sends it relies on it.
func idempotent(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		key, wrong := ctx.Header(client.KeyHeader), ""
		takes, _ := ctx.Operation().Metadata[isKeyed].(bool)
		switch {
		case key == "":
		case takes && len(key) > maxKey:
			wrong = "it is longer than 255 bytes"
		case takes:
			ctx = huma.WithValue(ctx, keyOfRequest{}, key)
		case ctx.Method() != http.MethodGet:
			wrong = ctx.Method() + " " + ctx.Operation().Path + " takes none: leave it out"
		}
		if wrong == "" {
			next(ctx)
			return
		}
		refuse(api, ctx, &problem{
			Status: http.StatusBadRequest, Title: "the request cannot be read", Detail: client.KeyHeader + ": " + wrong,
			Errors: []*huma.ErrorDetail{{Location: "header." + client.KeyHeader, Message: wrong}},
		})
	}
}
