package console_test

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gitee.com/ken.yang/xconsumer/client"
)

// shop is the cluster that the pictures of the documents show.
const shop = `cluster = "shop"
[[work]]
name = "clerk"
command = ["sh", "-c", "n=$((XCONSUMER_INDEX * 1000 + 4711)); while true; do n=$((n+1)); echo \"order $n: paid\"; sleep 1; echo \"order $n: sent\"; sleep 2; done"]
[[task]]
name = "orders"
workName = "clerk"
workerNum = 18
[[task]]
name = "mails"
workName = "clerk"
workerNum = 5
[[task]]
name = "invoices"
workName = "clerk"
workerNum = 5
[[task]]
name = "thumbnails"
workName = "clerk"
workerNum = 3
require = "gpu=true"
`

// shopRuns is how many workers of shop run: no node is fit for thumbnails.
const shopRuns = 28

// With UPDATE=1 it takes the pictures of the documents again. Without, it only shows that they can be taken, and that the
// documents have them in the same size: no two runs give the same bytes.
func TestPictures(t *testing.T) {
	chromium(t)
	const docs = "../../docs/images"
	server := clusterOf(t, 6, shop)
	api, err := client.New(server, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, zone := range []string{"b", "c", "a", "b", "c", "a"} {
		path := fmt.Sprintf("/api/v1/nodes/n%d/label", i+1)
		if _, err := api.Do(t.Context(), client.Request{Path: path, Body: map[string]any{"labels": map[string]string{"zone": zone}}}); err != nil {
			t.Fatal(err)
		}
	}
	p := browser(t)
	p.do(chromedp.Navigate(server + "/"))
	p.await("zones are shown", `document.querySelectorAll(".zone").length === 3`)
	for language, folder := range map[string]string{"en": "", "zh": "zh"} {
		p.enter("#language", language)
		keep := func(name string, wide, high int64) {
			taken, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(docs, folder, name+".png")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, taken, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			shown, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v: run make pictures", err)
			}
			for of, picture := range map[string][]byte{file: shown, "what is taken now for it": taken} {
				if size, err := png.DecodeConfig(bytes.NewReader(picture)); err != nil || int64(size.Width) != wide || int64(size.Height) != high {
					t.Errorf("%s is %d by %d, and not %d by %d (%v): run make pictures", of, size.Width, size.Height, wide, high, err)
				}
			}
		}
		settled := func() {
			p.await("all run", fmt.Sprintf(`/\b%d\b/.test(document.querySelector("#summary")?.textContent)`, shopRuns))
		}
		chart := func() { // it has something to show
			if os.Getenv("UPDATE") != "" {
				time.Sleep(12 * time.Second)
			}
		}
		sized := func(page string, high int64) {
			p.do(chromedp.EmulateViewport(1200, high))
			p.open(page)
		}
		sized("/overview", 640)
		settled()
		chart()
		failsOver(p, server)
		keep("overview", 1200, 640)
		p.do(chromedp.Reload()) // what flew is where it belongs
		p.await("n5 is back and has its share", `document.querySelectorAll('[data-node="n5"][data-slot]').length >= 4`)
		settled()

		sized("/task/mails", 880)
		p.await("the log and the chart are there", `document.querySelectorAll(".log p time").length > 5 && document.querySelectorAll("tbody tr").length === 5`)
		chart()
		keep("task", 1200, 880)

		decision := later[int](p, `(async () => {
			const had = async (at, node) => (await (await fetch("api/v1/state?at=" + at)).json()).workers.filter((w) => w.node === node).length;
			const { decisions } = await (await fetch("api/v1/decisions")).json();
			for (let at = Math.max(...decisions.map((d) => d.number)); at > 1; at--) {
				if (await had(at, "n5") === 0 && await had(at - 1, "n5") > 0) return at; // it takes n5's slots away
			}
		})()`)
		sized(fmt.Sprintf("/timeline?at=%d", decision), 860)
		p.await("the timeline is there", `document.querySelectorAll("tbody tr").length > 5 && document.querySelectorAll("[data-slot]").length > 20 && document.querySelector("#replay") !== null && document.getAnimations().length === 0`)
		keep("timeline", 1200, 860)
	}
}

// failsOver kills n5, and stops its slots where they fly.
func failsOver(p *page, server string) {
	p.Helper()
	value[bool](p, `(window.fly = Element.prototype.animate, Element.prototype.animate = function (frames, options) {
		const a = window.fly.call(this, frames, options);
		a.pause();
		a.currentTime = options.duration * (0.55 + 0.25 * Math.random());
		return a;
	}, true)`)
	for _, node := range state(p.T, server).Nodes {
		if node.Name != "n5" {
			continue
		}
		if err := syscall.Kill(node.PID, syscall.SIGKILL); err != nil {
			p.Fatal(err)
		}
	}
	p.await("its slots fly", `document.getAnimations().filter((a) => a.playState === "paused").length >= 4`)
}
