// Program zones makes a node with a task in the time zone that it is given, as somebody does who uses the library.
package main

import (
	"context"
	"fmt"
	"os"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/zk"
)

func main() {
	store, err := zk.New(zk.Config{Servers: []string{"127.0.0.1:1"}})
	if err != nil {
		panic(err)
	}
	node, err := xconsumer.New(store, xconsumer.Config{Cluster: "a", Name: "n1", Tasks: []cluster.TaskSpec{
		{Name: "nightly", WorkName: "w", WorkerNum: 1, Schedule: "30 2 * * *", TimeZone: os.Args[1]},
	}})
	if err == nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // it leaves at once
		err = node.Run(ctx)
	}
	fmt.Println(err)
}
