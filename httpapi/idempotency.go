package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
)

// maxKey bounds a key, in bytes.
const maxKey = 255

// isKeyed is the metadata of an operation that takes a key.
const isKeyed = "keyed"

// keyed lets an operation take an idempotency key, and describes the header.
func keyed(op *huma.Operation) {
	op.Metadata[isKeyed] = true
	op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusGatewayTimeout)
	longest := maxKey
	op.Parameters = append(op.Parameters, &huma.Param{
		Name:   client.KeyHeader,
		In:     "header",
		Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &longest},
		Description: "Key of at most 255 bytes, new for each request. A request that is repeated with its key, on any node, is done once " +
			"and answered as the first time. Another request with the key is refused with 422.",
	})
}

// handleKeyed is handle for an operation that takes an idempotency key.
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

// idempotent returns the middleware that stores the key of a request in its context. It refuses a key that would have no
// effect, because the caller relies on it.
func idempotent(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		key, wrong := ctx.Header(client.KeyHeader), ""
		takes, _ := ctx.Operation().Metadata[isKeyed].(bool)
		switch {
		case key == "":
		case takes && len(key) > maxKey:
			wrong = "the key is longer than 255 bytes"
		case takes:
			ctx = huma.WithValue(ctx, keyOfRequest{}, key)
		case ctx.Method() != http.MethodGet:
			wrong = ctx.Method() + " " + ctx.Operation().Path + " takes no key: leave the header out"
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
