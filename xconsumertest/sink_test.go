package xconsumertest_test

import (
	"context"
	"fmt"
	"log/slog"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/xconsumertest"
)

// A sink refuses a worker that comes after its successor has written. Here the first worker is kept, like one in a process
// that was paused, and writes once more after the second one has written.
func ExampleSink() {
	var sink xconsumertest.Sink
	var former *xconsumer.Worker
	service := mem.New(mem.Config{})
	for _, name := range []string{"n1", "n2"} {
		node, err := xconsumer.New(service.Client(), xconsumer.Config{
			Cluster: "demo", Name: name, Log: slog.New(slog.DiscardHandler),
			Tasks: []cluster.TaskSpec{{Name: "mail", WorkName: "mail", WorkerNum: 1}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		ctx, leave := context.WithCancel(context.Background())
		node.Handle("mail", func(ctx context.Context, w *xconsumer.Worker) error {
			fmt.Println(name, "writes:", sink.Write(w, "hello"))
			if former != nil {
				fmt.Println("the former worker writes:", sink.Write(former, "late"))
			}
			former = w
			leave()
			<-ctx.Done()
			return nil
		})
		if err := node.Run(ctx); err != nil {
			fmt.Println(err)
		}
		leave()
	}
	fmt.Println(len(sink.Effects()), "accepted,", sink.Refused(), "refused")
	// Output:
	// n1 writes: <nil>
	// n2 writes: <nil>
	// the former worker writes: mail#0: token 2 is older than 3
	// 2 accepted, 1 refused
}
