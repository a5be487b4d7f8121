package main

// slotLife shows the states of a slot, from free to free.
func slotLife(l language) *canvas {
	c := newCanvas(590, l.of(
		"A slot is free, granted, claimed, running, released, and free again. A node whose lease ends stops the worker itself; the slot is free only after the session and the takeover delay.",
		"槽位依次为空闲、已授予、已认领、运行中、已收回，然后再次空闲。租约到期的节点自己停止 worker；会话和接管延迟都结束之后槽位才空闲。"))
	for i, state := range []struct{ name, color, who, what, more string }{
		{l.of("free", "空闲"), "", "", l.of("No assignment lists the slot.", "没有任何分配列出该槽位。"), ""},
		{l.of("granted", "已授予"), "accent", "leader", l.of("writes the slot and a new", "把槽位和新的令牌号"), l.of("token into an assignment", "写入一个分配")},
		{l.of("claimed", "已认领"), "good", l.of("node", "节点"), l.of("commits that it holds the slot", "提交：自己持有该槽位"), ""},
		{l.of("running", "运行中"), "good", l.of("node", "节点"), l.of("runs the worker while", "在租约有效期间"), l.of("its lease holds", "运行 worker")},
		{l.of("released", "已收回"), "accent", "leader", l.of("asks the slot back; the node", "收回槽位；节点停止"), l.of("stops the worker, then commits", "worker，然后提交")},
		{l.of("lease ends", "租约到期"), "bad", l.of("node", "节点"), l.of("stops the worker itself; free", "自己停止 worker；会话和"), l.of("after session and takeover delay", "接管延迟结束后空闲")},
	} {
		c.state(i, state.name, state.color, state.who, state.what, state.more)
	}
	c.arrow("", [2]int{48, stateTop(4) + 34}, [2]int{24, stateTop(4) + 34}, [2]int{24, stateTop(0) + 34}, [2]int{46, stateTop(0) + 34})
	c.arrow("bad", [2]int{228, stateTop(3) + 46}, [2]int{250, stateTop(3) + 46}, [2]int{250, stateTop(5) + 34}, [2]int{230, stateTop(5) + 34})
	c.raw(`<path d="M48 %dH24V%d" class="stroke-bad" stroke-dasharray="7 6"/>`, stateTop(5)+34, stateTop(4)+36)
	return c
}

// stateTop returns where the box of a state begins.
func stateTop(i int) int { return 16 + i*95 }

// state draws a state, and who brings it about.
func (c *canvas) state(i int, name, color, who, what, more string) {
	const left, wide, high, says = 48, 178, 68, 268
	y := stateTop(i)
	c.box(left, y, wide, high, "card")
	class := "strong"
	if color == "bad" {
		class = "strong bad"
	}
	c.text(left+wide/2, y+high/2+9, large, "middle", class, name)
	if i > 0 && i < 5 {
		c.arrow("", [2]int{left + wide/2, y - 27}, [2]int{left + wide/2, y - 4})
	}
	baseline := y + high/2 + 8
	if more != "" {
		baseline = y + high/2 - 6
		c.text(says, baseline+28, normal, "start", "", more)
	}
	c.raw(`<text x="%d" y="%d" font-size="%d"><tspan class="strong %s">%s</tspan>%s</text>`, says, baseline, normal, color, escape(spaced(who)), escape(what))
}

// spaced returns a word and the space after it, nothing for none.
func spaced(word string) string {
	if word == "" {
		return ""
	}
	return word + " "
}
