package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
)

// states serves the state of the cluster and the stream of its changes.
type states struct {
	*routes
	followers followers
}

func (api *states) serve() {
	registry := api.huma.OpenAPI().Components.Schemas
	text := &huma.Schema{Type: huma.TypeString}
	api.handleRaw(&huma.Operation{
		OperationID: "get-state",
		Method:      http.MethodGet,
		Path:        "/api/v1/state",
		Tags:        []string{"cluster"},
		Summary:     "Get the state of the cluster",
		Description: "The whole cluster as this node sees it. The ETag is an ID of the stream, which continues from there. With at, the " +
			"answer is a Past: the placement after an earlier decision, as far as it is recorded; it lists nodes that are gone by " +
			"their names. 404 if that decision is not kept.",
		Parameters: []*huma.Param{
			{Name: "at", In: "query", Description: "Number of a decision, or a time (RFC 3339) for the last decision before it.", Schema: text},
			{Name: "If-None-Match", In: "header", Description: "ETag of the state that the client has; 304 if it has not changed.", Schema: text},
		},
		Responses: map[string]*huma.Response{
			"200": {Description: "The state, or with at a Past.", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{
				registry.Schema(reflect.TypeFor[cluster.State](), true, "State"), registry.Schema(reflect.TypeFor[cluster.Past](), true, "Past"),
			}}}}},
			"304":     {Description: "The state has not changed."},
			"default": problemResponse(),
		},
	}, api.state)
	api.handleRaw(api.streamOperation(), api.stream)
}

// state sends the state, which is encoded once for all clients.
func (api *states) state(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	if query.Has("at") {
		api.past(ctx, w, query.Get("at"))
		return
	}
	m, err := api.hub.State(ctx)
	if err != nil {
		api.fail(w, err)
		return
	}
	h := w.Header()
	tag := etag(api.hub.Tag(m.Seq))
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	text := m.JSON()
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		text = m.Zipped()
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // the client has gone
}

// past sends the placement after an earlier decision.
func (api *states) past(ctx context.Context, w http.ResponseWriter, at string) {
	n, err := api.decisionAt(ctx, at)
	if err == nil {
		var past cluster.Past
		past, err = api.node.Past(ctx, n)
		if err == nil {
			answer.JSON(w, http.StatusOK, &past)
			return
		}
	}
	api.fail(w, err)
}

// decisionAt returns the number of the decision that a text names: its number, or a time at or after it.
func (api *states) decisionAt(ctx context.Context, text string) (int64, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, wrongValue(
			"query.at",
			text,
			fmt.Sprintf("%q is neither the number of a decision nor a time such as 2006-01-02T15:04:05Z", text),
		)
	}
	list, err := api.node.Decisions(ctx)
	if err != nil {
		return 0, err
	}
	found := int64(-1)
	for _, d := range list.Decisions {
		if !d.At.After(at) {
			found = d.Number
		}
	}
	if found < 0 {
		return 0, fmt.Errorf("%w: none before %s", cluster.ErrNoDecision, at.Format(time.RFC3339))
	}
	return found, nil
}
