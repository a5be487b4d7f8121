package logview

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// logServer is a node that is asked for logs, and says what each node has of that of one worker.
type logServer struct {
	*apinode.Node
	api    *client.Client
	server *httptest.Server

	mu      sync.Mutex
	has     map[string][]cluster.LogLine // by node
	asked   map[string]int               // how often, by node
	hangs   map[string]bool              // nodes that never answer
	late    time.Duration                // by which what is followed comes later
	changed chan struct{}
}

func newLogServer(t *testing.T, state cluster.State) *logServer {
	s := &logServer{Node: apinode.New(state), has: map[string][]cluster.LogLine{}, asked: map[string]int{}, hangs: map[string]bool{}, changed: make(chan struct{})}
	target, err := url.Parse(apinode.Serve(t, s.Node, httpapi.Options{}).URL)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	mux.HandleFunc("/api/v1/workers/{task}/{index}/log", s.log)
	s.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		s.server.CloseClientConnections()
		s.server.Close()
	})
	s.api, err = client.New(s.server.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// says adds lines of a worker to what a node has.
func (s *logServer) says(node string, token int64, texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		s.has[node] = append(s.has[node], cluster.LogLine{Number: int64(len(s.has[node])), Token: token, Text: text})
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *logServer) log(w http.ResponseWriter, r *http.Request) {
	node, follow := r.FormValue("node"), r.FormValue("follow") == "true"
	want, _ := strconv.Atoi(r.FormValue("lines")) // it is the client's
	s.mu.Lock()
	s.asked[node]++
	next := max(0, len(s.has[node])-want)
	none, hangs := s.has[node] == nil, s.hangs[node]
	s.mu.Unlock()
	if hangs {
		<-r.Context().Done()
		return
	}
	if none {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"status":404,"title":"no such worker","detail":"it has not run there"}`)
		return
	}
	for out := json.NewEncoder(w); ; {
		s.mu.Lock()
		lines, changed, late := s.has[node][next:], s.changed, s.late
		s.mu.Unlock()
		if follow && len(lines) > 0 {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(late):
			}
		}
		for i := range lines {
			if out.Encode(&lines[i]) != nil {
				return
			}
			next++
		}
		if http.NewResponseController(w).Flush() != nil || !follow {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
	}
}

func (s *logServer) wasAsked(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[node] > 0
}
