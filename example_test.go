package xconsumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

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
	// mail 0 of 1, token 2
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

// New reports every mistake in a configuration at once, before anything is contacted.
func ExampleNew() {
	_, err := xconsumer.New(mem.New(mem.Config{}).Client(), xconsumer.Config{
		Cluster: "demo", Name: "n1",
		Tasks:  []cluster.TaskSpec{{Name: "mail", WorkName: "mail", WorkerNum: -1}},
		Weight: -2,
	})
	fmt.Println(errors.Is(err, xconsumer.ErrConfig))
	fmt.Println(err)
	// Output:
	// true
	// configuration refused: task 1 (mail): workerNum: -1 is not between 0 and 100000
	// weight: -2 is not between 1 and 10000
}

// mailer has one work, "mail", as a method.
type mailer struct{ done func() }

// RunMail runs once for each worker that the node is granted.
func (m *mailer) RunMail(ctx context.Context, w *xconsumer.Worker) error {
	fmt.Println("worker", w.Index(), "of", w.Count(), "of task", w.Task())
	m.done()
	<-ctx.Done()
	return nil
}

// Methods registers every method RunXxx of a value as a work.
func ExampleNode_Methods() {
	node, err := xconsumer.New(mem.New(mem.Config{}).Client(), xconsumer.Config{
		Cluster: "demo", Name: "n1", Log: slog.New(slog.DiscardHandler),
		Tasks: []cluster.TaskSpec{{Name: "newsletter", WorkName: "mail", WorkerNum: 1}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	node.Methods(&mailer{done: leave})
	if err := node.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: worker 0 of 1 of task newsletter
}

// A stop function lets a work finish what it has begun: here it closes the queue, and the work sends the remaining
// items.
func ExampleNode_HandleStop() {
	node, err := xconsumer.New(mem.New(mem.Config{}).Client(), xconsumer.Config{
		Cluster: "demo", Name: "n1", Log: slog.New(slog.DiscardHandler),
		Tasks: []cluster.TaskSpec{{Name: "mail", WorkName: "mail", WorkerNum: 1}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	queue := make(chan string, 3)
	for _, name := range []string{"ada", "ben", "cleo"} {
		queue <- name
	}
	node.Handle("mail", func(context.Context, *xconsumer.Worker) error {
		leave()
		for name := range queue {
			fmt.Println("sent to", name)
		}
		return nil
	})
	node.HandleStop("mail", func(context.Context, *xconsumer.Worker) { close(queue) })
	if err := node.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// sent to ada
	// sent to ben
	// sent to cleo
}

// A checkpoint is kept for the slot: the next worker continues where the last one was, regardless of its node.
func ExampleWorker_Checkpoint() {
	service := mem.New(mem.Config{})
	for _, name := range []string{"n1", "n2"} {
		node, err := xconsumer.New(service.Client(), xconsumer.Config{
			Cluster: "demo", Name: name, Log: slog.New(slog.DiscardHandler),
			Tasks: []cluster.TaskSpec{{Name: "import", WorkName: "import", WorkerNum: 1}},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		ctx, leave := context.WithCancel(context.Background())
		node.Handle("import", func(ctx context.Context, w *xconsumer.Worker) error {
			last, err := w.LastCheckpoint(ctx)
			if err != nil {
				return err
			}
			row, _ := strconv.Atoi(string(last)) // 0 without a checkpoint
			row += 1000
			if err := w.Checkpoint(ctx, []byte(strconv.Itoa(row))); err != nil {
				return err
			}
			fmt.Println(name, "has imported", row, "rows")
			leave()
			<-ctx.Done()
			return nil
		})
		if err := node.Run(ctx); err != nil {
			fmt.Println(err)
		}
		leave()
	}
	// Output:
	// n1 has imported 1000 rows
	// n2 has imported 2000 rows
}

// Workers divide keys: each key belongs to one of them.
func ExampleWorker_Owns() {
	node, err := xconsumer.New(mem.New(mem.Config{}).Client(), xconsumer.Config{
		Cluster: "demo", Name: "n1", Log: slog.New(slog.DiscardHandler),
		Tasks: []cluster.TaskSpec{{Name: "mail", WorkName: "mail", WorkerNum: 2}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan bool)
	node.Handle("mail", func(ctx context.Context, w *xconsumer.Worker) error {
		for _, key := range []string{"ada", "ben", "cleo", "dora"} {
			if w.Owns(key) {
				fmt.Println(key, "belongs to worker", w.Index())
			}
		}
		served <- true
		<-ctx.Done()
		return nil
	})
	ctx, leave := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- node.Run(ctx) }()
	<-served
	<-served
	leave()
	if err := <-ended; err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// ada belongs to worker 1
	// ben belongs to worker 0
	// cleo belongs to worker 1
	// dora belongs to worker 0
}
