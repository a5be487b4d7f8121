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

// states serves the whole cluster, and what changes in it.
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
		Summary:     "The whole cluster as this node sees it",
		Description: "Its ETag is an id of the stream, which goes on from there. With at, where everything was after a decision that " +
			"is kept: with what is known of it, and nodes that are gone by their names.",
		Parameters: []*huma.Param{
			{Name: "at", In: "query", Description: "The number of a decision, or a time, for the last decision before it.", Schema: text},
			{Name: "If-None-Match", In: "header", Description: "The ETag of a state that is known: 304 if it is the same.", Schema: text},
		},
		Responses: map[string]*huma.Response{
			"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{
				registry.Schema(reflect.TypeFor[cluster.State](), true, "State"), registry.Schema(reflect.TypeFor[cluster.Past](), true, "Past"),
			}}}}},
			"304":     {Description: "It is the same"},
			"default": problemResponse(),
		},
	}, api.state)
	api.handleRaw(api.streamOperation(), api.stream)
}

// state sends the state as it was encoded, once for everybody.
func (api *states) state(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
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

// past sends where everything was.
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

// decisionAt returns the number of a decision that is named by it, or by a time.
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
