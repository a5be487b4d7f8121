package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// drawState draws a cluster that is in order.
func drawState(t *rapid.T, name string) cluster.State {
	s := cluster.State{Cluster: "c", Leader: rapid.SampledFrom([]string{"", "n1", "n2"}).Draw(t, name+" leader"), Term: rapid.Int64Range(0, 2).Draw(t, name+" term")}
	s.Settings.Rebalance.MaxInFlight = rapid.IntRange(0, 2).Draw(t, name+" settings")
	if rapid.Bool().Draw(t, name+" deferred") {
		s.Deferred = &cluster.Deferral{Code: cluster.WhyQuiet, Until: time.Unix(rapid.Int64Range(0, 1).Draw(t, name+" until"), 0).UTC()}
	}
	for i := range 4 {
		if rapid.Bool().Draw(t, name+" node") {
			s.Nodes = append(s.Nodes, cluster.NodeInfo{Name: fmt.Sprint("n", i), Member: fmt.Sprint("m", i), Slots: rapid.IntRange(0, 2).Draw(t, name+" slots"), Labels: cluster.Labels{"x": rapid.SampledFrom([]string{"a", "b"}).Draw(t, name+" label")}})
		}
		if rapid.Bool().Draw(t, name+" task") {
			s.Tasks = append(s.Tasks, cluster.TaskInfo{Name: fmt.Sprint("t", i), Running: rapid.IntRange(0, 2).Draw(t, name+" running")})
		}
		for j := range 3 {
			if rapid.Bool().Draw(t, name+" worker") {
				s.Workers = append(s.Workers, cluster.WorkerInfo{Task: fmt.Sprint("t", i), Index: j, Node: rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, name+" at"), Token: rapid.Int64Range(1, 2).Draw(t, name+" token")})
			}
		}
		if rapid.Bool().Draw(t, name+" lost") {
			s.Lost = append(s.Lost, cluster.NodeInfo{Name: fmt.Sprint("l", i)})
		}
		if rapid.Bool().Draw(t, name+" run") {
			s.Runs = append(s.Runs, cluster.RunInfo{Task: fmt.Sprint("t", i), Run: cluster.Run{ID: "r"}})
		}
		if rapid.Bool().Draw(t, name+" error") {
			s.Errors = append(s.Errors, cluster.RecordError{Path: fmt.Sprint("/", i)})
		}
	}
	return s
}

// What followers are told of turns what was into what is, whatever both are.
func TestUpdate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawState(t, "before"), drawState(t, "after")
		update := hub.Diff(&before, &after)
		text, err := json.Marshal(&update)
		if err != nil {
			t.Fatal(err)
		}
		var told client.Update
		if err := json.Unmarshal(text, &told); err != nil {
			t.Fatal(err)
		}
		told.Apply(&before)
		if diff := cmp.Diff(normal(after), normal(before)); diff != "" {
			t.Fatalf("after %s (-want +got):\n%s", text, diff)
		}
	})
}

// normal makes no difference between no list and an empty one.
func normal(s cluster.State) string {
	text, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return strings.NewReplacer("[]", "null", `,"runs":null`, "", `,"errors":null`, "").Replace(string(text))
}

func stateOf(n int) cluster.State {
	return cluster.State{Cluster: "c", Term: int64(n), Nodes: []cluster.NodeInfo{}, Lost: []cluster.NodeInfo{}, Tasks: []cluster.TaskInfo{}, Workers: []cluster.WorkerInfo{{Task: "a", Token: int64(n)}}}
}

// A follower that is cut off again and again misses nothing, and is told everything once.
func TestFollowWithoutGap(t *testing.T) {
	n := newNode(stateOf(0))
	server := apinode.Serve(t, n, httpapi.Options{})
	const last = 60
	var terms []int64
	snapshots, lost, resumed := 0, 0, 0
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		for i := 1; i <= last; i++ {
			n.Set(stateOf(i))
			time.Sleep(40 * time.Millisecond)
			if i%20 == 10 {
				server.CloseClientConnections()
			}
		}
	}()
	err := clientOf(t, server.URL).Follow(ctx, func(error) { lost++ }, func(news client.News) error {
		switch {
		case news.Resumed:
			resumed++
			if news.State.Term != terms[len(terms)-1] {
				t.Errorf("resumed at term %d; want %d", news.State.Term, terms[len(terms)-1])
			}
			return nil
		case news.Health != nil:
			return nil
		case news.Update == nil && news.Event == nil:
			snapshots++
		}
		if news.Event == nil {
			terms = append(terms, news.State.Term)
		}
		if news.State.Workers[0].Token != news.State.Term {
			t.Errorf("term %d with token %d", news.State.Term, news.State.Workers[0].Token)
		}
		if news.State.Term == last {
			return errEnd
		}
		return nil
	})
	if !errors.Is(err, errEnd) || snapshots != 1 || lost == 0 || resumed == 0 || resumed > lost {
		t.Errorf("%v, %d snapshots, lost %d times, resumed %d times", err, snapshots, lost, resumed)
	}
	if !slices.IsSorted(terms) || len(slices.Compact(slices.Clone(terms))) != len(terms) {
		t.Errorf("terms %v", terms)
	}
}

// The stream goes on from the ETag of a state; from an id of another process it starts over.
func TestStreamSince(t *testing.T) {
	n := newNode(stateOf(1))
	server := apinode.Serve(t, n, httpapi.Options{})
	resp, err := http.Get(server.URL + "/api/v1/state")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	n.Set(stateOf(2))
	for since, want := range map[string]string{strings.Trim(resp.Header.Get("ETag"), `"`): "change", "other-1": "snapshot", "": "snapshot", strings.Trim(resp.Header.Get("ETag"), `"`) + "9999": "snapshot"} {
		first := func() string {
			resp, err := http.Get(server.URL + "/api/v1/stream?since=" + since)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				if kind, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
					return kind
				}
			}
			return "nothing"
		}()
		if first != want {
			t.Errorf("since %q: %s; want %s", since, first, want)
		}
	}
	for path, status := range map[string]int{"/api/v1/stream?from=1": 422, "/api/v1/state?x=1": 422, "/api/v1/state?at=soon": 422} {
		if resp, _ := ask(t, n, http.MethodGet, path, ""); resp.StatusCode != status {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// Whoever does not read is let go, and nobody else waits for them.
func TestSlowReader(t *testing.T) {
	n := newNode(stateOf(0))
	server := apinode.Serve(t, n, httpapi.Options{})
	slow, err := http.Get(server.URL + "/api/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Body.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	heard := make(chan int64, 10_000)
	var follower sync.WaitGroup
	follower.Go(func() {
		_ = clientOf(t, server.URL).Follow(ctx, nil, func(news client.News) error {
			heard <- news.State.Term
			return nil
		})
	})
	large := strings.Repeat("x", 1<<20)
	const changes = 40 // more than the ring keeps, and sockets buffer
	for i := 1; i <= changes; i++ {
		s := stateOf(i)
		s.Workers[0].Error = large + fmt.Sprint(i)
		n.Set(s)
		for term := int64(-1); term < int64(i); {
			select {
			case term = <-heard:
			case <-ctx.Done():
				t.Fatalf("change %d is not heard of", i)
			}
		}
	}
	cancel()
	follower.Wait()
	if read, err := io.Copy(io.Discard, slow.Body); err == nil && read >= changes<<20 {
		t.Errorf("the slow reader got all %d bytes", read)
	}
}

// A state is encoded once, told to be the same, and small if the reader likes.
func TestStateIsCached(t *testing.T) {
	n := newNode(stateOf(1))
	server := apinode.Serve(t, n, httpapi.Options{})
	fetch := func(header ...string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/state", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}
	first, text := fetch()
	tag := first.Header.Get("ETag")
	if again, _ := fetch("If-None-Match", tag); again.StatusCode != http.StatusNotModified {
		t.Errorf("the same: %s", again.Status)
	}
	if zipped, raw := fetch("Accept-Encoding", "gzip"); zipped.Header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(raw, "\x1f\x8b") {
		t.Errorf("%v", zipped.Header)
	}
	n.Set(stateOf(2))
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		changed, now := fetch("If-None-Match", tag)
		if changed.StatusCode == http.StatusOK && now != text && changed.Header.Get("ETag") != tag {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the change is not seen")
		}
	}
}

// A thousand followers of one node hear of a change, and leave nothing behind.
func TestThousandFollowers(t *testing.T) {
	n := newNode(stateOf(1))
	server := apinode.Serve(t, n, httpapi.Options{})
	const followers = 1000
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var next atomic.Int64
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		from := net.IPv4(127, 0, 1, byte(1+next.Add(1)%10)) // of one address there may not be so many
		return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	var all, opened sync.WaitGroup
	opened.Add(followers)
	var heard atomic.Int64
	for range followers {
		all.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/stream", nil)
			if err != nil {
				t.Error(err)
			}
			resp, err := (&http.Client{Transport: transport}).Do(r)
			if err != nil {
				t.Error(err)
				opened.Done()
				return
			}
			defer func() { _ = resp.Body.Close() }()
			first := true
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				switch text := lines.Text(); {
				case first && strings.HasPrefix(text, "data: "):
					first = false
					opened.Done()
				case strings.Contains(text, `"term":2`):
					heard.Add(1)
					return
				}
			}
		})
	}
	opened.Wait()
	n.Set(stateOf(2))
	all.Wait()
	if heard.Load() != followers {
		t.Errorf("%d of %d heard", heard.Load(), followers)
	}
}
