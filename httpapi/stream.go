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

// writeTimeout bounds a write to a client that does not read.
const writeTimeout = 10 * time.Second

// stream sends server-sent events: first the whole state, or the messages since the last one that the client has seen,
// and then every change. A client that reads too slowly is disconnected. It continues where it was when it reconnects.
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
	opening, opened := context.WithTimeout(allowed, storeTimeout)
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
	h.Set("X-Accel-Buffering", "no") // for nginx as a proxy
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	send := func(text []byte) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout))
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
			return // the client is too slow; it reconnects and gets a snapshot
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

// streamOperation describes stream, which huma cannot serve because the answer has no end.
func (api *states) streamOperation() *huma.Operation {
	registry := api.huma.OpenAPI().Components.Schemas
	data := func(kind string, of reflect.Type) *huma.Schema {
		return &huma.Schema{Type: huma.TypeObject, Title: kind, Properties: map[string]*huma.Schema{
			"event": {Type: huma.TypeString, Enum: []any{kind}},
			"id":    {Type: huma.TypeString},
			"data":  registry.Schema(of, true, kind),
		}}
	}
	text := &huma.Schema{Type: huma.TypeString}
	return &huma.Operation{
		OperationID: "follow", Method: http.MethodGet, Path: "/api/v1/stream", Tags: []string{"cluster"},
		Summary: "Follow the cluster",
		Description: "Sends server-sent events: a snapshot of the state, and then every change, event and change of the node's own " +
			"health. With Last-Event-ID or since, the stream continues after an earlier message, or after the ETag of a state, " +
			"without a gap. If that ID is too old, the stream begins with a snapshot again. A client that does not read for 10 " +
			"seconds is disconnected.",
		Parameters: []*huma.Param{
			{Name: "since", In: "query", Description: "ID of the last message received, or the ETag of a state.", Schema: text},
			{Name: "Last-Event-ID", In: "header", Description: "As since; browsers send it when they reconnect.", Schema: text},
		},
		Responses: map[string]*huma.Response{
			strconv.Itoa(http.StatusOK): {Description: "The events, until the client leaves.", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{
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
		Description: "Any other status is a problem, as for the other requests.",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}},
	}
}
