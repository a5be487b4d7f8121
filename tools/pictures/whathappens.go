package main

// Where the time of every case begins and ends.
const (
	timeLeft  = 66
	timeRight = 700
)

// A bar is a time in which a worker runs on a node; parts of the width of the time.
type bar struct {
	row      int
	from, to float64
	text     string
}

// A mark is a moment: what happens, on which side of it the text stands.
type mark struct {
	at     float64
	class  string
	anchor string
	text   string
}

// A happening is one case.
type happening struct {
	title string
	bars  []bar
	marks []mark
}

// whatHappens shows which node runs a slot before, during and after four things.
func whatHappens(l language) *canvas {
	c := newCanvas(690, l.of(
		"A node joins: a slot stops on the old node before it starts on the new one. A process dies: its supervisor closes the member and the slot moves in less than a second. A machine is cut off: it stops at the end of its lease, before the slot starts elsewhere. The service is away: workers run on until the lease ends, and resume when it is back.",
		"节点加入：槽位先在旧节点停止，再在新节点启动。进程死亡：监护进程关闭该成员，槽位在一秒之内移走。机器被隔断：它在租约到期时停止，早于槽位在别处启动。服务不可用：worker 运行到租约到期，服务恢复后继续。"))
	for i, h := range happenings(l) {
		c.happening(14+i*168, h)
	}
	return c
}

// happenings are the four cases.
func happenings(l language) []happening {
	return []happening{
		{l.of("A node joins", "节点加入"),
			[]bar{{0, 0, .42, ""}, {1, .47, 1, ""}},
			[]mark{{.3, "accent", "end", l.of("n2 joins", "n2 加入")}, {.42, "accent", "start", l.of("stops on n1, then starts on n2", "先在 n1 停止，再在 n2 启动")}}},
		{l.of("The process of n1 dies", "n1 的进程死亡"),
			[]bar{{0, 0, .42, ""}, {1, .47, 1, ""}},
			[]mark{{.42, "bad", "start", l.of("supervisor closes n1: < 1 s", "监护进程关闭 n1：不到一秒")}}},
		{l.of("The machine of n1 is cut off", "n1 的机器被隔断"),
			[]bar{{0, 0, .5, ""}, {1, .78, 1, ""}},
			[]mark{{.2, "bad", "start", l.of("cut off", "被隔断")}, {.5, "wait", "start", l.of("lease ends", "租约到期")}, {.78, "accent", "start", l.of("n2 starts", "n2 启动")}}},
		{l.of("The service is away", "协调服务不可用"),
			[]bar{{0, 0, .5, ""}, {0, .78, 1, l.of("same token", "令牌号不变")}},
			[]mark{{.2, "bad", "start", l.of("away", "不可用")}, {.5, "wait", "start", l.of("lease ends", "租约到期")}, {.78, "accent", "start", l.of("back", "恢复")}}},
	}
}

// happening draws a case.
func (c *canvas) happening(top int, h happening) {
	const rowTop, rowHigh, barHigh = 68, 36, 26
	at := func(part float64) int { return timeLeft + int(part*(timeRight-timeLeft)) }
	c.box(14, top, width-28, 156, "card")
	c.text(30, top+32, large-2, "start", "strong", h.title)
	for row, name := range []string{"n1", "n2"} {
		y := top + rowTop + row*rowHigh
		c.text(30, y+20, small, "start", "faint", name)
		c.raw(`<path d="M%d %dH%d" stroke="var(--line)" stroke-width="2"/>`, timeLeft, y+barHigh/2, timeRight)
	}
	for _, b := range h.bars {
		y := top + rowTop + b.row*rowHigh
		c.raw(`<rect x="%d" y="%d" width="%d" height="%d" rx="6" class="mail"/>`, at(b.from), y, at(b.to)-at(b.from), barHigh)
		if b.text != "" {
			c.text((at(b.from)+at(b.to))/2, y+20, small, "middle", "white", b.text)
		}
	}
	for _, m := range h.marks {
		x := at(m.at)
		c.raw(`<path d="M%d %dV%d" stroke="currentColor" stroke-width="3" style="color:var(--%s)"/>`, x, top+46, top+rowTop+rowHigh+barHigh+4, m.class)
		shift := map[string]int{"start": 8, "end": -8}[m.anchor]
		c.text(x+shift, top+60, small, m.anchor, m.class, m.text)
	}
}
