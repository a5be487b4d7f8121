package xconsumer_test

import (
	"context"
	"fmt"
	"log/slog"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

// A node that joins a cluster alone runs every worker of every task whose work it has. Over
// ZooKeeper the store would come from zk.New.
func Example() {
	store := mem.New(mem.Config{}).Client()
	node, err := xconsumer.New(store, xconsumer.Config{
		Cluster: "demo",
		Name:    "n1",
		Tasks:   []cluster.TaskSpec{{Name: "mail", WorkName: "send", WorkerNum: 1}},
		Log:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	node.Handle("send", func(ctx context.Context, w *xconsumer.Worker) error {
		fmt.Printf("%s %d of %d, token %d\n", w.Task(), w.Index(), w.Count(), w.Token())
		leave() // one is enough for an example
		<-ctx.Done()
		fmt.Println("stopped:", context.Cause(ctx))
		return nil
	})
	if err := node.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// mail 0 of 1, token 1
	// stopped: node is leaving
}

// A work reads the params of its task by a pointer; what the task does not name keeps its value.
func ExampleWorker_Params() {
	type params struct {
		Server string `json:"server"`
		Batch  int    `json:"batch"`
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	runMail := func(ctx context.Context, w *xconsumer.Worker) error {
		p := params{Batch: 100}
		if err := w.Params(&p); err != nil {
			return err
		}
		fmt.Println("worker", w.Index(), "reads", p.Batch, "at a time from", p.Server)
		leave()
		<-ctx.Done()
		return nil
	}
	node, err := xconsumer.New(mem.New(mem.Config{}).Client(), xconsumer.Config{
		Cluster: "demo", Name: "n1", Log: slog.New(slog.DiscardHandler),
		Tasks: []cluster.TaskSpec{{Name: "mail", WorkName: "mail", WorkerNum: 1, Params: `{"server":"imap.example.com:993"}`}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	node.Handle("mail", runMail)
	if err := node.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: worker 0 reads 100 at a time from imap.example.com:993
}

// A program manages the cluster through any of its nodes.
func ExampleNode_Admin() {
	node, err := xconsumer.New(mem.New(mem.Config{}).Client(), xconsumer.Config{
		Cluster: "demo", Name: "n1", Log: slog.New(slog.DiscardHandler),
		Tasks: []cluster.TaskSpec{{Name: "mail", WorkName: "mail", WorkerNum: 1}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	running, stopped := make(chan bool), make(chan error)
	node.Handle("mail", func(ctx context.Context, _ *xconsumer.Worker) error {
		running <- true
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return nil
	})
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- node.Run(ctx) }()

	<-running
	if _, err := node.Admin().Do(ctx, cluster.Pause("mail")); err != nil {
		fmt.Println(err)
	}
	fmt.Println("stopped:", <-stopped)
	leave()
	fmt.Println("left:", <-ended)
	// Output:
	// stopped: slot released
	// left: <nil>
}
