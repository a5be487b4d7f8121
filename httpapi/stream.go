package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
)

// writePatience is how long a stream is waited for that nobody reads.
const writePatience = 10 * time.Second

// stream sends what happens, as server-sent events: the whole state first, or what has happened since the message
// that the reader has seen last, and then every change. Whoever reads too slowly is let go, and goes on from
// where it was when it comes back.
func (api *states) stream(w http.ResponseWriter, r *http.Request) {
	since := r.Header.Get("Last-Event-ID")
	if since == "" {
		since = r.URL.Query().Get("since")
	}
	leave, full := api.followers.shares.Take(access.CallerOf(r.Context()))
	if full != "" {
		answer.Send(w, answer.TooFast(full))
		return
	}
	defer leave()
	allowed, cancel := context.WithCancel(r.Context())
	defer api.followers.auth.EndUnlessAllowed(allowed, cancel, r, api.followers.closing)()
	opening, opened := context.WithTimeout(allowed, patience)
	m, err := api.hub.State(opening)
	opened()
	if err != nil {
		api.fail(w, err)
		return
	}
	defer api.hub.Join()()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Accel-Buffering", "no") // of a proxy
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	send := func(text []byte) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(writePatience))
		_, err := w.Write(text) //nolint:gosec // an event stream is never read as a page
		return err == nil
	}
	cursor, known := api.hub.Parse(since)
	if known {
		_, _, known = api.hub.After(cursor)
	}
	if !known {
		cursor = m.Seq
		if !send(fmt.Appendf(nil, "retry: 1000\nevent: snapshot\nid: %s\ndata: ", api.hub.Tag(cursor))) || !send(m.JSON()) ||
			!send([]byte("\n\n")) {
			return
		}
	}
	heart := time.NewTicker(client.KeepAlive)
	defer heart.Stop()
	for {
		messages, changed, complete := api.hub.After(cursor)
		if !complete {
			return // too slow: it comes back for a snapshot
		}
		for i := range messages {
			cursor = messages[i].Seq
			if !send(messages[i].Text) {
				return
			}
		}
		if rc.Flush() != nil {
			return
		}
		select {
		case <-allowed.Done():
			return
		case <-changed:
		case <-heart.C:
			api.node.KeepFresh()
			if !send([]byte(": still here\n\n")) {
				return
			}
		}
	}
}

// streamOperation describes the stream, which has no end.
func (api *states) streamOperation() *huma.Operation {
	registry := api.huma.OpenAPI().Components.Schemas
	data := func(kind string, of reflect.Type) *huma.Schema {
		return &huma.Schema{Type: huma.TypeObject, Title: kind, Properties: map[string]*huma.Schema{
			"event": {Type: huma.TypeString, Enum: []any{kind}},
			"id":    {Type: huma.TypeString},
			"data":  registry.Schema(of, true, kind),
		}}
	}
	return &huma.Operation{
		OperationID: "follow", Method: http.MethodGet, Path: "/api/v1/stream", Tags: []string{"cluster"},
		Summary: "Everything that happens, as server-sent events",
		Description: "A snapshot of the state, and then every change, event and change of the node's own health. " +
			"Last-Event-ID, or since, goes on from an earlier event, or from the ETag of a state, without a gap; " +
			"where that is too long ago it begins with a snapshot again.",
		Parameters: []*huma.Param{
			{Name: "since", In: "query", Description: "An id that was seen, or the ETag of a state.", Schema: &huma.Schema{Type: huma.TypeString}},
			{Name: "Last-Event-ID", In: "header", Description: "The same, as browsers send it.", Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Responses: map[string]*huma.Response{
			strconv.Itoa(http.StatusOK): {Description: "Events", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{
				Type: huma.TypeArray, Items: &huma.Schema{OneOf: []*huma.Schema{
					data("snapshot", reflect.TypeFor[cluster.State]()), data("change", reflect.TypeFor[client.Update]()),
					data("event", reflect.TypeFor[cluster.Event]()), data("health", reflect.TypeFor[client.Health]()),
				}},
			}}}},
			"default": problemResponse(),
		},
	}
}

func problemResponse() *huma.Response {
	return &huma.Response{
		Description: "Error",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}},
	}
}
