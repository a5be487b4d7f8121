package main

import "fmt"

// components shows the parts of a cluster: people, nodes, the store.
func components(l language) *canvas {
	c := newCanvas(520, l.of(
		"People ask any node through console, command line or API. Each of three nodes runs below a supervisor and holds slots. The leader among them grants slots. All records are in ZooKeeper or etcd.",
		"人通过控制台、命令行或 API 询问任何节点。三个节点各在一个监护进程之下运行并持有槽位，其中的 leader 授予槽位。所有记录都在 ZooKeeper 或 etcd 中。"))
	c.box(90, 16, 540, 52, "card")
	c.text(width/2, 50, normal, "middle", "", l.of("console · command line · HTTP API", "控制台 · 命令行 · HTTP API"))
	c.arrow("", [2]int{width / 2, 70}, [2]int{width / 2, 112})
	c.text(width/2+18, 99, small, "start", "faint", l.of("any node", "任何节点"))
	for node := range 3 {
		c.member(node, l)
	}
	c.box(14, 418, width-28, 86, "card")
	c.text(width/2, 454, large, "middle", "strong", l.of("ZooKeeper or etcd", "ZooKeeper 或 etcd"))
	c.text(width/2, 487, small, "middle", "faint", l.of("assignments · statuses · heartbeats · tasks", "分配 · 状态 · 心跳 · 任务"))
	return c
}

// member draws a node below its supervisor, and what it writes and reads.
func (c *canvas) member(node int, l language) {
	const top, wide, high = 116, 222, 218
	x := 14 + node*(wide+13)
	c.box(x, top, wide, high, "frame")
	c.text(x+wide/2, top+28, small, "middle", "faint", l.of("supervisor", "监护进程"))
	c.box(x+12, top+42, wide-24, high-54, "card")
	c.text(x+28, top+76, large, "start", "strong", fmt.Sprintf("n%d", node+1))
	if node == 0 {
		c.text(x+wide-28, top+76, small, "end", "accent", l.of("leader", "leader"))
	}
	c.chip(x+28, top+90, wide-56, 44, "mail", fmt.Sprintf("mail#%d", node))
	c.chip(x+28, top+144, wide-56, 44, "feed", fmt.Sprintf("feed#%d", node))
	const from, to = top + high + 4, 414
	label := func(color, text string) { c.text(x+56, (from+to)/2+8, small, "start", color, text) }
	switch node {
	case 0:
		c.arrow("accent", [2]int{x + 40, from}, [2]int{x + 40, to})
		label("accent", l.of("grants slots", "授予槽位"))
	case 1:
		c.arrow("", [2]int{x + 40, from}, [2]int{x + 40, to})
		label("faint", l.of("heartbeats", "心跳"))
	default:
		c.arrow("", [2]int{x + 40, to}, [2]int{x + 40, from})
		label("faint", l.of("assignment", "分配"))
	}
}
