package console_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// On every width and in both themes nothing sticks out, and nobody is kept out: axe finds nothing serious.
func TestLooks(t *testing.T) {
	chromium(t)
	server := cluster3(t, tasks)
	p := browser(t)
	p.do(chromedp.Navigate(server + "/"))
	p.quiet(11)
	axe, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	value[bool](p, string(axe)+";true")
	for _, width := range []int64{390, 1280, 2560} {
		for _, dark := range []bool{false, true} {
			p.wide(width)
			p.dark(dark)
			for _, one := range []string{"overview", "tasks", "task/orders", "nodes", "node/n1", "workers", "worker/orders/0", "runs", "timeline", "edit/orders", "settings", "plan?operations=" + `[{"kind":"lose","node":"n1"}]`} {
				p.open("/" + one)
				p.await(fmt.Sprintf("%s at %d is there", one, width), there[strings.FieldsFunc(one, func(r rune) bool { return r == '/' || r == '?' })[0]])
				p.await("nothing sticks out", `document.documentElement.scrollWidth <= innerWidth`)
				if bad := value[string](p, `[...document.querySelectorAll("#content button, #content a, #content h2, #content td, #content dd, #content .badge")].filter((e) => {
					const b = e.getBoundingClientRect();
					return b.width > 0 && (b.right > innerWidth + 1 || b.left < -1);
				}).map((e) => e.outerHTML.slice(0, 120)).join("\n")`); bad != "" {
					t.Errorf("%s at %d: out of sight: %s", one, width, bad)
				}
				p.accessible(fmt.Sprintf("%s at %d", one, width))
				p.picture(fmt.Sprintf("%s-%d-%s", strings.NewReplacer("/", "-", "?", "-").Replace(one[:min(len(one), 12)]), width, map[bool]string{false: "light", true: "dark"}[dark]))
			}
		}
	}
}

// there says of each page when all of it is there, with what is asked of the node.
var there = map[string]string{
	"overview": `document.querySelectorAll("[data-slot]").length === 13 && document.querySelectorAll(".spark canvas").length === 4`,
	"tasks":    `document.querySelectorAll("tbody tr").length === 5`,
	"task":     `document.querySelectorAll(".log p time").length > 0 && document.querySelectorAll("tbody tr").length === 6`,
	"nodes":    `document.querySelectorAll("tbody tr").length === 3`,
	"node":     `document.querySelector("meter") !== null && document.querySelectorAll("tbody tr").length > 4`,
	"workers":  `document.querySelectorAll("tbody tr").length >= 13`,
	"worker":   `document.querySelectorAll(".log p time").length > 0 && document.querySelectorAll("tbody tr").length > 2`,
	"runs":     `document.querySelectorAll(".lanes .bar").length === 1`,
	"timeline": `document.querySelector("#replay") !== null && document.querySelectorAll("tbody tr").length > 20`,
	"edit":     `document.querySelector("#field-workName")?.value === "test01"`,
	"settings": `document.querySelector("pre")?.textContent.includes("shop")`,
	"plan":     `document.querySelectorAll("[data-ghost]").length > 0`,
}

// accessible fails the test for what keeps people from using the page as it is.
func (p *page) accessible(what string) {
	p.Helper()
	p.await("nothing flies any longer", `document.getAnimations().every((a) => a.effect.getTiming().iterations === Infinity)`)
	found := later[[]struct {
		ID     string   `json:"id"`
		Help   string   `json:"help"`
		Impact string   `json:"impact"`
		Nodes  []string `json:"nodes"`
	}](p, `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations.map((v) => ({ id: v.id, help: v.help, impact: v.impact, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + n.failureSummary) })))`)
	for _, v := range found {
		if v.Impact == "serious" || v.Impact == "critical" {
			p.Errorf("%s: %s (%s): %s\n%s", what, v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
		} else {
			p.Logf("%s: %s (%s): %s", what, v.ID, v.Impact, v.Help)
		}
	}
}
