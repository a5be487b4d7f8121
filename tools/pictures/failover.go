package main

import "fmt"

// What happens when, in seconds of a loop.
const (
	loop   = 11.0
	killed = 2.2
	moves  = 3.0
	moved  = 4.2
	back   = 6.2
	gives  = 7.2
	given  = 8.4
	fade   = .15
)

// Where the cards and the chips of a node are.
const (
	cardTop, cardWide, cardHigh = 20, 222, 262
	chipHigh, chipGap           = 48, 12
)

// cardLeft returns where the card of a node begins.
func cardLeft(node int) int { return 14 + node*(cardWide+13) }

// place returns where a chip of a node is.
func place(node, row int) (x, y int) {
	return cardLeft(node) + 16, cardTop + 66 + row*(chipHigh+chipGap)
}

// failover shows a node that is killed, whose slots move, and that comes back.
func failover(l language) *canvas {
	c := newCanvas(350, l.of(
		"Three nodes hold the slots of two tasks. One is killed, its slots move to the others, it comes back and gets its share.",
		"三个节点持有两个任务的槽位。一个节点被杀死，它的槽位移到其他节点；它回来后得到自己的份额。"))
	c.style = "@media (prefers-reduced-motion:reduce){*{animation:none!important}}\n"
	for node := range 3 {
		x := cardLeft(node)
		if node == 1 {
			c.style += steps("gone", "opacity", "0", "1", span{killed, back})
			c.style += steps("here", "opacity", "1", ".35", span{killed, back})
			c.raw(`<g class="here">`)
		}
		c.box(x, cardTop, cardWide, cardHigh, "card")
		c.text(x+18, cardTop+42, large, "start", "strong", fmt.Sprintf("n%d", node+1))
		if node == 0 {
			c.text(x+cardWide-18, cardTop+42, small, "end", "accent", l.of("leader", "leader"))
		}
		if node == 1 {
			c.raw(`</g><g class="gone" opacity="0">`)
			c.raw(`<rect x="%d" y="%d" width="%d" height="%d" rx="10" fill="none" stroke="var(--bad)" stroke-width="3" stroke-dasharray="9 7"/>`, x, cardTop, cardWide, cardHigh)
			c.text(x+cardWide-18, cardTop+42, small, "end", "bad strong", l.of("killed", "已被杀死"))
			c.raw(`</g>`)
		}
	}
	for _, node := range []int{0, 2, 1} { // what flies is above the others
		for row, task := range []string{"mail", "feed"} {
			c.slot(node, row, task)
		}
	}
	c.captions(l)
	return c
}

// slot draws a slot of a task where it begins; those of the node that is killed fly to the others.
func (c *canvas) slot(node, row int, task string) {
	x, y := place(node, row)
	name := fmt.Sprintf("%s#%d", task, node)
	if node != 1 {
		c.chip(x, y, cardWide-32, chipHigh, task, name)
		return
	}
	toX, toY := place(2*row, 2)
	late := .35 * float64(1-row) // the lower one makes way
	c.style += flight("fly-"+task, toX-x, toY-y, late, late+.65)
	c.style += steps("dim-"+task, "opacity", "1", ".4", span{killed, moves + late})
	c.raw(`<g class="fly-%s"><g class="dim-%s">`, task, task)
	c.chip(x, y, cardWide-32, chipHigh, task, name)
	c.raw(`</g></g>`)
}

// captions say what is shown.
func (c *canvas) captions(l language) {
	for i, one := range []struct {
		when  []span
		class string
		text  string
	}{
		{[]span{{0, killed}, {given + .6 + fade, loop}}, "", l.of("Each slot runs on one node.", "每个槽位只在一个节点上运行。")},
		{[]span{{killed + fade, moves}}, "bad strong", l.of("n2 dies.", "n2 死亡。")},
		{[]span{{moves + fade, back}}, "", l.of("Its slots start on the other nodes.", "它的槽位在其他节点上启动。")},
		{[]span{{back + fade, given + .6}}, "good", l.of("n2 is back and gets its share.", "n2 回来，得到自己的份额。")},
	} {
		name := fmt.Sprintf("caption-%d", i)
		c.style += steps(name, "opacity", "0", "1", one.when...)
		hidden := ` opacity="0"`
		if i == 0 {
			hidden = ""
		}
		c.raw(`<text x="%d" y="328" font-size="%d" text-anchor="middle" class="%s %s"%s>%s</text>`, width/2, large, name, one.class, hidden, escape(one.text))
	}
}

// A span is from one second of the loop to another.
type span struct{ from, to float64 }

// percent returns a second of the loop as a part of it.
func percent(second float64) string { return fmt.Sprintf("%.2f%%", 100*second/loop) }

// steps returns the style of a class whose property has another value in spans of the loop.
func steps(class, property, usual, other string, spans ...span) string {
	frames, first := "", usual
	for _, s := range spans {
		if s.from == 0 {
			first = other
		} else {
			frames += fmt.Sprintf("%s{%s:%s}%s{%s:%s}", percent(s.from), property, usual, percent(s.from+fade), property, other)
		}
		if s.to < loop {
			frames += fmt.Sprintf("%s{%s:%s}%s{%s:%s}", percent(s.to), property, other, percent(s.to+fade), property, usual)
		}
	}
	return fmt.Sprintf(".%s{animation:%s %gs linear infinite}@keyframes %s{0%%,100%%{%s:%s}%s}\n", class, class, loop, class, property, first, frames)
}

// flight returns the style of a class that flies away by (x, y), in a part of the time for moves, and comes back on the same
// way: first down, where no chip is, then across, slowly at both ends.
func flight(class string, x, y int, from, to float64) string {
	const points = 12
	frames := ""
	for i := range points + 1 {
		part := float64(i) / points
		across, down := smooth((part-.25)/.75), smooth(part/.6)
		there := fmt.Sprintf("{transform:translate(%.1fpx,%.1fpx)}", across*float64(x), down*float64(y))
		when := from + part*(to-from)
		frames += percent(moves+when*(moved-moves)) + there + percent(given-when*(given-gives)) + there
	}
	return fmt.Sprintf(".%s{animation:%s %gs linear infinite}@keyframes %s{0%%,100%%{transform:none}%s}\n", class, class, loop, class, frames)
}

// smooth goes from 0 at 0 to 1 at 1, slowly at both ends.
func smooth(x float64) float64 {
	x = max(0, min(1, x))
	return x * x * (3 - 2*x)
}
