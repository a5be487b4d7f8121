// Package api_test measures the HTTP API of a node of a large cluster.
package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
)

const (
	nodes     = 100
	slots     = 10_000
	followers = 100
	changes   = 40
)

// fleet is nodes of one process, over a store in memory.
type fleet struct {
	*testing.B
	nodes []*testcluster.Node
}

func start(b *testing.B) *fleet {
	f := &fleet{B: b}
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(func() {
		cancel()
		for _, n := range f.nodes {
			if err := n.Wait(); err != nil {
				b.Error(err)
			}
		}
	})
	c := testcluster.Cluster{
		Service: mem.New(mem.Config{Timeout: 30 * time.Second}),
		Tasks:   []cluster.TaskSpec{{Name: "a", WorkName: "a", WorkerNum: slots - 10}, {Name: "b", WorkName: "a", WorkerNum: 10}},
	}
	for i := range nodes {
		node, err := c.Start(ctx, fmt.Sprintf("n%03d", i), func(node *xconsumer.Node) {
			node.Handle("a", func(ctx context.Context, _ *xconsumer.Worker) error {
				<-ctx.Done()
				return nil
			})
		})
		if err != nil {
			b.Fatal(err)
		}
		f.nodes = append(f.nodes, node)
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		state, err := f.nodes[1].State(ctx)
		if running, wanted := state.Tally(); err == nil && wanted == slots && running == wanted && len(state.Nodes) == nodes {
			break
		}
		if time.Now().After(end) {
			b.Fatal("the cluster does not settle")
		}
	}
	return f
}

// serve serves a node that does not lead.
func (f *fleet) serve() *httptest.Server {
	api := httpapi.New(f.nodes[nodes-1].Admin(), httpapi.Options{Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = api.Run(ctx) })
	server := httptest.NewServer(api)
	f.Cleanup(func() {
		cancel()
		server.CloseClientConnections()
		server.Close()
		running.Wait()
	})
	return server
}

// BenchmarkAPI measures, at 100 nodes and 10,000 slots: how large and how fast the state is, how many reads a
// second there are (by wrk, if it is there), and how long after its commit followers see a change.
func BenchmarkAPI(b *testing.B) {
	f := start(b)
	server := f.serve()
	for b.Loop() {
		f.read(server.URL, "read")
		changing := make(chan bool)
		go func() {
			defer close(changing)
			f.follow(server.URL)
		}()
		f.read(server.URL, "read-while-changing")
		<-changing
	}
	if wrk, err := exec.LookPath("wrk"); err == nil {
		out, err := exec.Command(wrk, "-t2", "-c64", "-d10s", "--latency", "-H", "Accept-Encoding: gzip", server.URL+"/api/v1/state").CombinedOutput()
		b.Logf("%v\n%s", err, out)
	}
}

// read reads the state again and again.
func (f *fleet) read(url, name string) {
	var took []time.Duration
	size := 0
	for range 500 {
		began := time.Now()
		r, err := http.NewRequestWithContext(f.Context(), http.MethodGet, url+"/api/v1/state", nil)
		if err != nil {
			f.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			f.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			f.Fatal(err)
		}
		size = int(n)
		took = append(took, time.Since(began))
		time.Sleep(5 * time.Millisecond)
	}
	f.ReportMetric(float64(size)/1024, "KiB-gzip")
	f.ReportMetric(ms(p99(took)), name+"-p99-ms")
}

// follow has followers wait for changes, while others read.
func (f *fleet) follow(url string) {
	ctx, cancel := context.WithCancel(f.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	seen := make(chan time.Time, followers*changes*4)
	want := make([]chan int, followers)
	ready := make(chan bool, followers)
	for i := range followers {
		want[i] = make(chan int, 1)
		all.Go(func() {
			if err := listen(ctx, url, want[i], seen, ready); err != nil && ctx.Err() == nil {
				f.Error(err)
			}
		})
	}
	for range followers {
		<-ready
	}
	var took []time.Duration
	for i := range changes {
		workers := 5 + i%7
		for _, c := range want {
			c <- workers
		}
		if _, err := f.nodes[nodes/2].Admin().Do(ctx, cluster.Scale("b", workers)); err != nil {
			f.Fatal(err)
		}
		began := time.Now()
		for range followers {
			took = append(took, (<-seen).Sub(began))
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.ReportMetric(ms(p99(took)), "follow-p99-ms")
	slices.Sort(took)
	f.ReportMetric(ms(took[len(took)/2]), "follow-p50-ms")
}

// listen reads the stream as it comes: what readers make of it is theirs.
func listen(ctx context.Context, url string, want <-chan int, seen chan<- time.Time, ready chan<- bool) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/stream", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReaderSize(resp.Body, 1<<20)
	wanted := ""
	for first := true; ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		if first && strings.HasPrefix(line, "data: ") {
			first = false
			ready <- true
		}
		select {
		case n := <-want:
			wanted = fmt.Sprintf(`"name":"b","workName":"a","workerNum":%d,`, n)
		default:
		}
		if wanted != "" && strings.HasPrefix(line, "data: {") && strings.Contains(line, wanted) {
			seen <- time.Now()
			wanted = ""
		}
	}
}

func p99(list []time.Duration) time.Duration {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)*99/100]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
