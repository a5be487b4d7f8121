package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// remembering is a node that does what it is asked for once for each key.
type remembering struct {
	*apinode.Node
	mu  sync.Mutex
	did map[string]int // by key
}

func (n *remembering) Repeated(_ context.Context, op cluster.Operation) (string, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return "8", n.did[op.Key] > 0, nil
}

func (n *remembering) Do(_ context.Context, op cluster.Operation) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.did[op.Key]++
	return "8", nil
}

// Of a node that is out of contact people read the cause, not all that follows from it; of bad fields they read each.
func TestRefusalsSayWhatToDo(t *testing.T) {
	reasons := []client.Reason{{Message: "not connected: ZooKeeper does not answer: h:2181: connection refused"}, {Message: "lease is over; all workers are stopped"}}
	for _, c := range []struct {
		problem client.Problem
		want    string
	}{
		{client.Problem{Status: 503, Detail: cluster.ErrUnanswered.Error(), Errors: reasons}, "the coordination service does not answer: not done; try again"},
		{client.Problem{Status: 503, Detail: cluster.ErrNotMember.Error(), Errors: reasons}, cluster.ErrNotMember.Error() + "; not connected: ZooKeeper does not answer: h:2181: connection refused"},
		{client.Problem{Status: 422, Detail: "refused", Errors: []client.Reason{{Location: "a", Message: "x"}, {Location: "b", Message: "y"}}}, "refused; a: x; b: y"},
	} {
		if got := (&client.RefusedError{Problem: c.problem}).Error(); got != c.want {
			t.Errorf("%q; want %q", got, c.want)
		}
	}
}

// A client whose answer was lost asks again with the same key; what was done is done once.
func TestClientRepeats(t *testing.T) {
	cut := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	problem := func(p client.Problem) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(p.Status)
			_ = json.NewEncoder(w).Encode(p)
		}
	}
	unknown := problem(client.Problem{Status: http.StatusGatewayTimeout, Title: "outcome unknown", Type: client.OutcomeUnknown})
	absent := problem(client.Problem{Status: http.StatusServiceUnavailable, Title: "not connected"})
	gateway := func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }
	for _, c := range []struct {
		name    string
		answers []func(http.ResponseWriter) // in place of the node's; the last one stays
		want    error
		asked   int
	}{
		{"the connection is cut after it was done", []func(http.ResponseWriter){cut, nil}, nil, 2},
		{"the node does not know", []func(http.ResponseWriter){unknown, nil}, nil, 2},
		{"a proxy does not know", []func(http.ResponseWriter){gateway, nil}, nil, 2},
		{"the node has lost its session meanwhile", []func(http.ResponseWriter){cut, absent, nil}, nil, 3},
		{"nobody ever knows", []func(http.ResponseWriter){unknown}, client.ErrOutcomeUnknown, 4},
		{"it is not known, and then nobody is there", []func(http.ResponseWriter){cut, absent}, client.ErrOutcomeUnknown, 4},
		{"nobody is there", []func(http.ResponseWriter){absent}, client.ErrRefused, 1},
		{"a stranger answers", []func(http.ResponseWriter){func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }}, client.ErrUnreachable, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := &remembering{Node: apinode.New(cluster.State{}), did: map[string]int{}}
			node := apinode.Serve(t, n, httpapi.Options{Log: slog.New(slog.DiscardHandler)})
			asked := 0
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				inner := httptest.NewRecorder()
				node.Config.Handler.ServeHTTP(inner, r)
				if answer := c.answers[min(asked, len(c.answers))-1]; answer != nil {
					answer(w)
					return
				}
				w.WriteHeader(inner.Code)
				_, _ = w.Write(inner.Body.Bytes())
			}))
			defer front.Close()
			api, err := client.New(front.URL, client.Options{})
			if err != nil {
				t.Fatal(err)
			}
			accepted, err := api.Do(t.Context(), client.Request{Path: "/api/v1/tasks/a/run-now"})
			if !errors.Is(err, c.want) || err == nil && !accepted.Repeated || asked != c.asked {
				t.Errorf("asked %d times, want %d; %+v, %v", asked, c.asked, accepted, err)
			}
			if errors.Is(err, client.ErrOutcomeUnknown) && errors.Is(c.want, client.ErrUnreachable) {
				t.Errorf("it is known: %v", err)
			}
			if len(n.did) > 1 || fmt.Sprint(n.did) == "map[]" && c.want == nil {
				t.Errorf("done: %v", n.did)
			}
			for key, times := range n.did {
				if times != 1 {
					t.Errorf("done %d times under key %q", times, key)
				}
			}
		})
	}
}

// A call that its caller gives up says so, before the answer or in its midst: it is not the node that does not answer.
func TestClientIsInterrupted(t *testing.T) {
	change := func(ctx context.Context, c *client.Client) error {
		_, err := c.Do(ctx, client.Request{Path: "/api/v1/tasks/a/run-now"})
		return err
	}
	for _, c := range []struct {
		name   string
		status int // that came before, with the beginning of the answer; 0 for neither
		call   func(context.Context, *client.Client) error
		prefix string
	}{
		{"a change, before the answer", 0, change, "it is not known whether it was done: "},
		{"a change, in the answer", http.StatusAccepted, change, "it is not known whether it was done: "},
		{"a question, in the answer", http.StatusOK, func(ctx context.Context, c *client.Client) error {
			_, _, err := c.State(ctx)
			return err
		}, ""},
		{"a log, in a line", http.StatusOK, func(ctx context.Context, c *client.Client) error {
			return c.Log(ctx, cluster.Slot{Task: "a"}, client.LogQuery{}, func(cluster.LogLine) error { return nil })
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			over := make(chan struct{})
			node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.status != 0 {
					w.WriteHeader(c.status)
					_, _ = w.Write(bytes.Repeat([]byte(" "), 32<<20)) // more than there is room for on the way: it is being read
				}
				cancel()
				select {
				case <-over:
				case <-r.Context().Done():
				}
			}))
			defer node.Close()
			defer close(over)
			api, err := client.New(node.URL, client.Options{})
			if err != nil {
				t.Fatal(err)
			}
			err = c.call(ctx, api)
			want := c.prefix + "interrupted before " + node.URL + " answered"
			if err == nil || err.Error() != want || errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrOutcomeUnknown) != (c.prefix != "") {
				t.Errorf("%v; want %s", err, want)
			}
		})
	}
}

// A URL with the scheme of the other protocol is told as such, from both sides.
func TestWrongScheme(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	for server, want := range map[string]string{
		"https" + strings.TrimPrefix(plain.URL, "http"):  "it does not speak TLS",
		"http" + strings.TrimPrefix(secure.URL, "https"): "speaks TLS",
	} {
		api, err := client.New(server, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = api.Get(t.Context(), "/api/v1/state", nil, nil)
		if !errors.Is(err, client.ErrUnreachable) || !errors.Is(err, http.ErrSchemeMismatch) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", server, err, want)
		}
	}
}
