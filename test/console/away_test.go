package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// Who has no token sees nothing; who may only look can press nothing; and a login ends.
func TestLogin(t *testing.T) {
	chromium(t)
	server := cluster3(t, "", "XCONSUMER_HTTP_TOKENS=vic view vic-is-a-long-secret,opa operate opa-is-a-long-secret")
	p := browser(t)
	p.do(chromedp.Navigate(server + "/"))
	p.await("it asks for a token", `document.querySelector("#login") !== null && document.querySelector("#summary") === null`)
	p.picture("login")
	login := func(token string) {
		p.enter("#login input", token)
		p.click("#login button")
	}
	p.allowed.Store("401")
	login("wrong-is-a-long-secret")
	p.says("#login .bad", "Invalid token")
	login("vic-is-a-long-secret")
	p.quiet(4)
	p.open("/tasks")
	p.await("vic can press nothing", `document.querySelectorAll("tbody .row button").length > 0 && [...document.querySelectorAll("tbody .row button")].every((b) => b.disabled)`)
	p.click("#logout")
	p.await("it asks for a token again", `document.querySelector("#login") !== null`)
	login("opa-is-a-long-secret")
	p.open("/tasks")
	p.await("opa can pause, and not make tasks", `[...document.querySelectorAll("tbody .row button")].some((b) => !b.disabled) && document.querySelector('a[href="#/edit"]') === null`)
}

// A page that loses its node says so, and goes on when the node is back.
func TestCutOff(t *testing.T) {
	chromium(t)
	server := cluster3(t, "")
	p := browser(t)
	p.do(chromedp.Navigate(server + "/"))
	api, err := client.New(server, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	scale := func(workers, running int) {
		if _, err := api.Do(t.Context(), client.Request{Path: "/api/v1/tasks/test01/scale", Body: map[string]int{"workers": workers}}); err != nil {
			t.Error(err)
		}
		p.quiet(running)
	}
	p.quiet(4)
	scale(3, 5) // the stream is open: it has brought that
	value[bool](p, `(window.wasCut = false, new MutationObserver(() => { window.wasCut ||= document.querySelector(".banner") !== null }).observe(document.body, {subtree: true, childList: true}), true)`)
	if err := syscall.Kill(state(t, server).Nodes[0].PID, syscall.SIGKILL); err != nil { // n1, which the page asks; its parent starts it again
		t.Fatal(err)
	}
	p.await("it says that it was cut off", `window.wasCut`)
	p.await("it is back", `document.querySelector(".banner") === null`)
	scale(5, 7)
}

// It works under the path of a proxy, which knows nothing of it.
func TestPathPrefix(t *testing.T) {
	chromium(t)
	node := apinode.Serve(t, apinode.New(someState()), httpapi.Options{})
	target, err := url.Parse(node.URL)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	mux := http.NewServeMux()
	mux.Handle("/ops/work/", http.StripPrefix("/ops/work", forward))
	proxy := httptest.NewServer(mux)
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	p := browser(t)
	p.do(chromedp.Navigate(proxy.URL + "/ops/work/"))
	p.quiet(1)
	p.open("/tasks")
	p.says("td", "orders")
}

func someState() cluster.State {
	return cluster.State{
		Cluster: "shop", Leader: "n1", Term: 1,
		Nodes:   []cluster.NodeInfo{{Name: "n1", Member: "m1", State: cluster.NodeUp, Leader: true, Slots: 1, Load: 1}},
		Lost:    []cluster.NodeInfo{},
		Tasks:   []cluster.TaskInfo{{Name: "orders", WorkName: "w", WorkerNum: 1, Running: 1, Revision: "0"}},
		Workers: []cluster.WorkerInfo{{Task: "orders", Node: "n1", Member: "m1", Token: 1, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}}},
	}
}

// Nodes that are gone or lost stay in their zone, although the record with their labels is gone.
func TestNodesThatAreGoneStayInTheirZone(t *testing.T) {
	chromium(t)
	in := func(zones string) (nodes []cluster.NodeInfo) { // of n1, n2, ..., one letter each
		for i, zone := range zones {
			name := fmt.Sprintf("n%d", i+1)
			if zone != ' ' {
				nodes = append(nodes, cluster.NodeInfo{Name: name, Member: fmt.Sprintf("m%d", i+1), State: cluster.NodeUp, Labels: cluster.Labels{"zone": string(zone)}})
			}
		}
		return nodes
	}
	all := someState()
	all.Nodes = in("aaabbb")
	node := apinode.New(all)
	server := apinode.Serve(t, node, httpapi.Options{})
	p := browser(t)
	p.do(chromedp.Navigate(server.URL + "/"))
	p.await("zones are shown", `document.querySelectorAll(".group[aria-label^=zone] [data-card]").length === 6`)
	fewer := someState()
	fewer.Nodes = in("aa bb ") // n3 is gone
	fewer.Lost = []cluster.NodeInfo{{Name: "n6", Member: "m6", State: cluster.NodeLost}}
	node.Set(fewer)
	p.await("they are not up", `document.querySelectorAll(".node.lost").length === 2`)
	for name, zone := range map[string]string{"n3": "zone=a", "n6": "zone=b"} {
		if got := value[string](p, fmt.Sprintf(`document.querySelector("[data-card=%s]").closest(".group").getAttribute("aria-label")`, name)); got != zone {
			t.Errorf("%s is in %s; want %s", name, got, zone)
		}
	}
	p.picture("gone")
}

// What is empty, away or broken is explained, never blank.
func TestNothingThere(t *testing.T) {
	chromium(t)
	none := cluster.State{Cluster: "shop", Nodes: []cluster.NodeInfo{}, Lost: []cluster.NodeInfo{}, Tasks: []cluster.TaskInfo{}, Workers: []cluster.WorkerInfo{}}
	node := apinode.New(none)
	server := apinode.Serve(t, node, httpapi.Options{})
	p := browser(t)
	p.do(chromedp.Navigate(server.URL + "/"))
	p.says("#summary", "no leader at the moment")
	for page, says := range map[string]string{
		"overview": "xconsumer run", "tasks": "No tasks yet", "nodes": "No nodes yet", "workers": "No workers", "runs": "No runs yet",
		"task/x": "Task x does not exist", "node/x": "Node x does not exist", "worker/x/0": "Worker x#0 does not exist", "nonsense": "page does not exist",
	} {
		p.open("/" + page)
		p.says(".empty", says)
	}
	p.picture("empty")
	lost := someState()
	lost.Leader, lost.Nodes, lost.Lost = "", []cluster.NodeInfo{}, []cluster.NodeInfo{{Name: "n1", Member: "m1", State: cluster.NodeLost, Slots: 1}}
	lost.Workers[0].State, lost.Tasks[0].Running = cluster.WorkerLost, 0
	const back = "n1 is gone: it has left to be restarted, and is given 2m0s to come back, until 04:04:48 UTC"
	lost.Tasks[0].Lost, lost.Tasks[0].ReasonCode, lost.Tasks[0].Reason = 2, cluster.WhyDelayed, back
	lost.Tasks = append(lost.Tasks, lost.Tasks[0])
	lost.Tasks[1].Name, lost.Tasks[1].Lost = "mails", 1
	lost.Errors = []cluster.RecordError{{Path: "/x", Error: "broken"}}
	node.Set(lost)
	p.open("/overview")
	p.says(".node.lost", "n1")
	p.says("#summary", "1 record in the store cannot be used")
	p.says("#summary", "; 3 workers wait: "+back+"; ")
	p.picture("lost")
}
