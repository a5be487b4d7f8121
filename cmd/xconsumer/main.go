// Command xconsumer runs a node with the sample works, and manages clusters.
package main

import (
	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app"
	"gitee.com/ken.yang/xconsumer/work"
)

func main() {
	app.Main(func(node *xconsumer.Node) { node.Methods(&work.Work{}) })
}
