// Package console_test drives the web console in a real browser, on clusters that run.
package console_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

const tasks = `cluster = "shop"
[[work]]
name = "teller"
command = ["sh", "-c", "n=0; while true; do n=$((n+1)); echo line $n; sleep 0.2; done"]
[[work]]
name = "job"
command = ["sh", "-c", "echo crunching; sleep 1; echo done"]
[[task]]
name = "orders"
workName = "test01"
workerNum = 6
[[task]]
name = "mails"
workName = "test02"
workerNum = 4
[[task]]
name = "thumbnails"
workName = "test01"
workerNum = 2
require = "gpu=true"
[[task]]
name = "tell"
workName = "teller"
workerNum = 1
[[task]]
name = "report"
workName = "job"
workerNum = 2
mode = "once"
`

// state returns the cluster as a node shows it.
func state(t *testing.T, server string) cluster.State {
	t.Helper()
	api, err := client.New(server, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := api.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// quiet waits until nothing of the cluster moves any longer.
func (p *page) quiet(running int) {
	p.Helper()
	p.await(fmt.Sprintf("%d run", running), fmt.Sprintf(`(document.querySelector("#summary")?.textContent ?? "").startsWith("%d of ")`, running))
}

// A person goes through all of it, step by step on one cluster.
func TestConsole(t *testing.T) {
	chromium(t)
	server := cluster3(t, tasks)
	p := browser(t)
	p.do(chromedp.Navigate(server + "/"))
	p.says("#summary", "2 of thumbnails are waiting for a node with gpu=true")
	p.await("the once-task has run", `document.querySelectorAll('[data-slot^="report@"]').length === 0`)
	p.quiet(11)

	for _, step := range []struct {
		name string
		do   func(*page)
	}{
		{"scale", scales},
		{"pause", pauses},
		{"run now", runsNow},
		{"log", readsLog},
		{"a node dies, and its work moves", func(p *page) { losesNode(p, server) }},
		{"drain", drains},
		{"what if", plans},
		{"edit", edits},
		{"replay", replays},
		{"lists", lists},
		{"the page knows what the node knows", comparesWithNode},
		{"Chinese", readsChinese},
	} {
		t.Run(step.name, func(t *testing.T) { step.do(p.in(t)) })
	}
}

func scales(p *page) {
	p.open("/tasks")
	p.enter(`input[aria-label="Number of workers: orders"]`, "9")
	p.click(`tr:has(a[href="#/task/orders"]) form button`)
	p.says(".outcome.good", `scale task "orders" to 9`)
	p.quiet(14)
	p.says(".badge.warn", "overridden")
	p.enter(`input[aria-label="Number of workers: orders"]`, "7")
	p.click(`tr:has(a[href="#/task/orders"]) form button`)
	p.says("#question", "2 running workers will stop")
	p.click("#yes")
	p.quiet(12)
}

func pauses(p *page) {
	p.open("/task/mails")
	p.says("dl", "test02")
	p.await("it can be paused", `[...document.querySelectorAll("button")].some((b) => b.textContent === "Pause" && !b.disabled)`)
	p.await("4 run", `[...document.querySelectorAll("dt")].find((e) => e.textContent === "Running")?.nextElementSibling.textContent === "4"`)
	value[bool](p, `([...document.querySelectorAll("button")].find((b) => b.textContent === "Pause").click(), true)`)
	p.says("#question", "4 running workers will stop")
	p.click("#yes")
	p.says("h2.page .badge", "paused")
	p.quiet(8)
	value[bool](p, `([...document.querySelectorAll("button")].find((b) => b.textContent === "Resume").click(), true)`)
	p.quiet(12)
	p.picture("task")
}

func runsNow(p *page) {
	p.open("/task/report")
	p.await("it can be run", `[...document.querySelectorAll("button")].some((b) => b.textContent === "Run now" && !b.disabled)`)
	before := value[int](p, `document.querySelectorAll('section[aria-label="Runs"] tbody tr').length`)
	value[bool](p, `([...document.querySelectorAll("button")].find((b) => b.textContent === "Run now").click(), true)`)
	p.await("there is one run more, and it is done", fmt.Sprintf(`document.querySelectorAll('section[aria-label="Runs"] tbody tr').length === %d && [...document.querySelectorAll('section[aria-label="Runs"] .state')].every((s) => s.textContent === "done")`, max(2, before+1)))
	p.open("/runs")
	p.await("its durations are drawn", `document.querySelectorAll(".lanes .bar").length >= 2`)
	p.picture("runs")
}

func readsLog(p *page) {
	p.open("/worker/tell/0")
	p.says(".log", "line ")
	lines := value[int](p, `document.querySelectorAll(".log p").length`)
	p.await("the log goes on", fmt.Sprintf(`document.querySelectorAll(".log p").length > %d`, lines+3))
	p.says("#why", "may run it")
	p.picture("worker")
	first := value[string](p, `document.querySelector(".log p").textContent`)
	to := value[string](p, `[...document.querySelector('select[aria-label="Move to"]').options].map((o) => o.value).find(Boolean)`)
	p.enter(`select[aria-label="Move to"]`, to)
	value[bool](p, `([...document.querySelectorAll("button")].find((b) => b.textContent === "Move").click(), true)`)
	p.says(".log", "worker tell#0 continues on "+to)
	if now := value[string](p, `document.querySelector(".log p").textContent`); now != first {
		p.Errorf("what was shown is gone: the first line is %q, and was %q", now, first)
	}
	p.await("it goes on there", `document.querySelector(".log p:last-child time") !== null`)
}

func losesNode(p *page, server string) {
	p.open("/overview")
	p.await("all slots are drawn", `document.querySelectorAll("[data-slot]").length === 14`)
	p.picture("overview")
	value[bool](p, `(window.flights = 0, window.fly = Element.prototype.animate, Element.prototype.animate = function (...a) { window.flights++; return window.fly.apply(this, a); }, true)`)
	victim := state(p.T, server).Nodes[2]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		p.Fatal(err)
	}
	p.await("slots fly", `window.flights > 0`)
	time.Sleep(300 * time.Millisecond) // for the picture: in the middle of its way
	p.picture("moving")
	p.await("the node is back, and everything runs", `document.querySelectorAll(".node:not(.lost):not(.nowhere)").length === 3 && document.querySelector("#summary").textContent.startsWith("12 of 14")`)
	p.await("the failover was timed", `/\d (ms|s)/.test([...document.querySelectorAll(".spark")].at(-1).textContent)`)
}

func drains(p *page) {
	p.open("/node/n2")
	p.says("dl", "left of") // its lease
	value[bool](p, `([...document.querySelectorAll("button")].find((b) => b.textContent === "Drain").click(), true)`)
	p.says("#question", "will move to other nodes")
	p.click("#yes")
	p.says(".drain", "drained")
	p.await("nothing is left there", `document.querySelectorAll('section[aria-label="Workers"] tbody tr').length === 0`)
	p.picture("drained")
	value[bool](p, `([...document.querySelectorAll("button")].find((b) => b.textContent === "Uncordon").click(), true)`)
	p.await("work comes back", `document.querySelectorAll('section[aria-label="Workers"] tbody tr').length > 0`)
}

func plans(p *page) {
	p.open("/node/n1")
	p.click(`.row a[href^="#/plan"]`)
	p.says("#effect", "move")
	p.await("ghosts stand where slots would come, and none of n1's would stay", `document.querySelectorAll("[data-ghost]").length > 0 && document.querySelectorAll('[data-card="n1"] .slot:not(.leaving)').length === 0`)
	p.await("it cannot be made", `document.querySelector("#apply").disabled`)
	p.picture("plan")
	p.open("/plan")
	p.enter(`#builder select[aria-label="Task"]`, "mails")
	p.enter(`#builder input`, "6")
	p.click(`#builder button`)
	p.says("#effect", "2 starts")
	p.click("#apply")
	p.click("#yes")
	p.says(".outcome", "scale")
	p.quiet(14)
}

func edits(p *page) {
	p.open("/edit/mails")
	p.await("it is filled in", `document.querySelector("#field-workName")?.value === "test02"`)
	hasAllFields(p)
	p.enter("#field-workerNum", "many")
	p.says("#field-workerNum-wrong", "number")
	p.enter("#field-workerNum", "5")
	p.allowed.Store("422")
	p.enter("#field-stopTimeout", "soon")
	p.says("section .bad", "duration")
	p.enter("#field-stopTimeout", "5s")
	p.says("#effect", "move")
	p.click(`#edit button.main`)
	p.await("it is saved", `location.hash === "#/task/mails"`)
	p.says("dl", "5s")
	p.open("/edit")
	p.enter("#field-name", "fresh")
	p.enter("#field-workName", "test01")
	p.says("#effect", "1 start")
	p.click(`#edit button.main`)
	p.await("it is there", `location.hash === "#/task/fresh"`)
	p.quiet(15)
	value[bool](p, `([...document.querySelectorAll("button")].find((b) => b.textContent === "Delete").click(), true)`)
	p.says("#question", "1 running worker will stop")
	p.click("#yes")
	p.says(".empty", "Task fresh does not exist")
	p.quiet(14)
}

// hasAllFields compares the form with the fields that a task may have. Each has a name and is explained in both languages. The
// words of a language may leave out fields, but name no others.
func hasAllFields(p *page) {
	p.Helper()
	fields := taskFields("", reflect.TypeFor[cluster.TaskSpec]())
	slices.Sort(fields)
	for _, language := range []string{"zh", "en"} {
		p.enter("#language", language)
		p.await("the form speaks "+language, fmt.Sprintf(`document.documentElement.lang.startsWith(%q)`, language))
		shown := value[[]string](p, `[...document.querySelectorAll("#edit .field")].filter((f) => f.querySelector("label").textContent && f.querySelector("p.faint").textContent).map((f) => f.querySelector("input, select, textarea").id.replace("field-", "")).sort()`)
		if !slices.Equal(shown, fields) {
			p.Errorf("in %s the form has %v, a task %v", language, shown, fields)
		}
	}
	words := later[[]string](p, `import("./words.js").then((m) => Object.values(m.all).flatMap((w) => [...Object.keys(w.form), ...Object.keys(w.help)]))`)
	for _, name := range words {
		if !slices.Contains(fields, name) {
			p.Errorf("the console has words for a field %s, which a task does not have", name)
		}
	}
	groups := later[[]string](p, `import("./words.js").then((m) => Object.values(m.all).flatMap((w) => Object.keys(w.groups)))`)
	shown := value[[]string](p, `[...document.querySelectorAll("#edit legend")].map((l) => l.textContent)`)
	for _, name := range groups {
		if !slices.Contains(shown, name) {
			p.Errorf("the console has words for a group %q; there are %v", name, shown)
		}
	}
}

// taskFields returns the names of the fields of a task in JSON. Those of a struct within it have a dot in their names.
func taskFields(prefix string, of reflect.Type) (names []string) {
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		text := reflect.PointerTo(field.Type).Implements(reflect.TypeFor[interface{ UnmarshalText([]byte) error }]())
		switch {
		case name == "-":
		case field.Type.Kind() == reflect.Struct && !text:
			names = append(names, taskFields(prefix+name+".", field.Type)...)
		default:
			names = append(names, prefix+name)
		}
	}
	return names
}

func replays(p *page) {
	p.open("/timeline")
	p.await("the timeline shows it", `document.querySelectorAll("tbody tr").length > 20`)
	p.await("there is a slider", `document.querySelector("#replay") !== null`)
	p.await("nothing is left of the task that was deleted", `document.querySelectorAll('[data-slot^="fresh"]').length === 0`)
	now := value[string](p, drawn)
	early := later[int](p, `(async () => {
		for (let n = 0; ; n++) { // the first decision after which something is placed
			const past = await (await fetch("api/v1/state?at=" + n)).json();
			if (past.workers.filter((w) => w.node).length > 5) return n;
		}
	})()`)
	value[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector("#replay"); e.value = %d; e.dispatchEvent(new Event("input", { bubbles: true })); return true })()`, early))
	p.says("#replayed", "After decision")
	p.await("the picture is another", fmt.Sprintf(`document.querySelectorAll(".node:not(.nowhere) [data-slot]").length > 5 && %s !== %q`, drawn, now))
	p.picture("timeline")
	value[bool](p, `(window.due = [], window.timeout = window.setTimeout, window.setTimeout = (f, ms) => { if (ms === 1500) window.due.push(f); return window.timeout(f, ms); }, true)`)
	p.click("#play")
	first := value[string](p, `location.hash`)
	p.await("it plays", fmt.Sprintf(`location.hash !== %q`, first))
	value[bool](p, `([...document.querySelectorAll("button")].find((b) => b.textContent === "Back to the present").click(), true)`)
	// A timer of the replay may fire before the page has cleared it.
	if !value[bool](p, `(window.setTimeout = window.timeout, window.due.forEach((f) => f()), window.due.length > 0)`) {
		p.Error("the replay has set no timer")
	}
	p.says("#replayed", "Present state")
	p.await("everything is where it was", fmt.Sprintf(`%s === %q`, drawn, now))
}

func lists(p *page) {
	p.open("/workers?q=orders&sort=-worker")
	p.await("they come as the address says", `document.querySelectorAll("tbody tr").length === 7 && document.querySelector("tbody a").textContent === "orders#6"`)
	p.enter(`input[type="search"]`, "orders#3")
	p.await("the address says what is chosen", `document.querySelectorAll("tbody tr").length === 1 && location.hash.includes("q=orders%233")`)
}

func comparesWithNode(p *page) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		different := later[string](p, `Promise.all([import("./cluster.js"), fetch("api/v1/state").then((a) => a.json())]).then(([{ live }, s]) => {
			const text = (list) => list.map((x) => JSON.stringify(x)).sort().join();
			const p = live.value;
			const pairs = [[p.workers.values().toArray(), s.workers], [p.nodes, s.nodes], [p.lost, s.lost], [p.tasks, s.tasks], [p.runs, s.runs ?? []], [[...p.of.values()].flatMap((m) => [...m.values()]), s.workers], [[...p.on.values()].flatMap((g) => [...g.slots.values()]), s.workers]];
			return pairs.filter(([a, b]) => text(a) !== text(b)).map(([a, b]) => text(a) + " is not " + text(b)).join("; ") + (p.leader === s.leader && p.term === s.term ? "" : "another leader");
		})`)
		if different == "" {
			return
		}
		if time.Now().After(end) {
			p.Fatal(different)
		}
	}
}

func readsChinese(p *page) {
	p.open("/overview")
	p.enter("#language", "zh")
	p.says("#summary", "在运行")
	p.says("#summary", "带有 gpu=true 的节点")
	p.await("the page says so", `document.documentElement.lang === "zh-CN" && document.title.includes("总览")`)
	if different := later[string](p, `import("./words.js").then(({ all }) => {
		const keys = (o, at = "") => Object.entries(o).filter(([k]) => !["form", "help", "groups"].includes(k)).flatMap(([k, v]) => (v && typeof v === "object" ? keys(v, at + k + ".") : [at + k + ":" + typeof v])).sort().join(" ");
		return keys(all.en) === keys(all.zh) ? "" : keys(all.zh);
	})`); different != "" {
		p.Errorf("the languages say different things: Chinese says %s", different)
	}
	p.picture("chinese")
	p.enter("#language", "en")
}

// drawn is what the picture shows: which slots are where.
const drawn = `[...document.querySelectorAll("[data-slot]")].map((e) => e.dataset.slot + " " + e.dataset.node).sort().join()`
