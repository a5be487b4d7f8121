package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

// recorder stands between two nodes. It lets questions pass until it is told to answer with what it has recorded.
type recorder struct {
	to string

	mu     sync.Mutex
	nonce  string // that was signed in the recorded answer
	answer string // "" for none yet
	replay bool
}

func (c *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	signed := r.Header.Get("Authorization") != ""
	if c.replay {
		if w.Header().Set("X-Xconsumer-Nonce", c.nonce); !signed {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, c.answer)
		return
	}
	pass, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+c.to+r.URL.RequestURI(), nil)
	if err != nil {
		panic(err)
	}
	pass.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(pass)
	if err != nil {
		panic(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	if !signed {
		c.nonce = resp.Header.Get("X-Xconsumer-Nonce")
		w.Header().Set("X-Xconsumer-Nonce", c.nonce)
	} else if resp.StatusCode == http.StatusOK {
		c.answer = string(text)
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(text)
}

// An answer that was proven once is good for no other question, and not for the same one when it is asked again.
func TestRecordedAnswersAreNoAnswers(t *testing.T) {
	slot := cluster.Slot{Task: "a", Index: 1}
	second := &httpapi.Peers{Secret: []byte(secret)}
	p := newPair(t, slot, &httpapi.Peers{Secret: []byte(secret)}, second)
	between := &recorder{to: p.target}
	server := httptest.NewServer(between)
	defer server.Close()
	second.Advertise = strings.TrimPrefix(server.URL, "http://")
	p.state.Nodes[1].Advertise = second.Advertise
	p.state.Workers = append(p.state.Workers, cluster.WorkerInfo{Task: "b", Node: "n2", Member: "m2"})
	p.has.say("of then")
	got, err := p.read(t.Context(), slot, client.LogQuery{Lines: 1})
	if err != nil || !slices.Equal(got, []string{"of then"}) || between.answer == "" {
		t.Fatalf("the recorded answer: %q, %v", got, err)
	}
	between.replay = true
	for name, asked := range map[string]struct {
		slot cluster.Slot
		q    client.LogQuery
	}{
		"the same question":    {slot, client.LogQuery{Lines: 1}},
		"more lines":           {slot, client.LogQuery{Lines: 2}},
		"another worker's log": {cluster.Slot{Task: "b"}, client.LogQuery{Lines: 1}},
		"what comes":           {slot, client.LogQuery{Lines: 1, Follow: true}},
	} {
		if got, err := p.read(t.Context(), asked.slot, asked.q); err == nil || len(got) > 0 || !strings.Contains(err.Error(), "does not prove") {
			t.Errorf("%s: %q, %v; want no answer", name, got, err)
		}
	}
	resp, err := http.Get(p.server.URL + "/api/v1/nodes/n2/lease")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway || strings.Contains(string(text), "of then") {
		t.Errorf("lease: %s %s", resp.Status, text)
	}
}
