package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

// serve runs a cluster of one node, whose task "mail" has two workers, and serves its API. It returns the URL, and a
// function that ends the node.
func serve() (url string, end func()) {
	discard := slog.New(slog.DiscardHandler)
	node, err := xconsumer.New(mem.New(mem.Config{}).Client(), xconsumer.Config{
		Cluster: "demo", Name: "n1", Log: discard,
		Tasks: []cluster.TaskSpec{{Name: "mail", WorkName: "mail", WorkerNum: 2}},
	})
	if err != nil {
		log.Fatal(err)
	}
	node.Handle("mail", func(ctx context.Context, _ *xconsumer.Worker) error {
		<-ctx.Done()
		return nil
	})
	ctx, leave := context.WithCancel(context.Background())
	api := httpapi.New(node.Admin(), httpapi.Options{Log: discard})
	server := httptest.NewServer(api)
	var both sync.WaitGroup
	both.Go(func() { _ = api.Run(ctx) })
	both.Go(func() { _ = node.Run(ctx) })
	settled(server.URL)
	return server.URL, func() {
		leave()
		server.Close()
		both.Wait()
	}
}

// settled waits until a node shows all workers running.
func settled(url string) {
	api, err := client.New(url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	settled := errors.New("settled")
	err = api.Follow(context.Background(), func(error) {}, func(n client.News) error {
		if running, wanted := n.State.Tally(); running == wanted && wanted > 0 {
			return settled
		}
		return nil
	})
	if !errors.Is(err, settled) {
		log.Fatal(err)
	}
}

// Do asks for a change. With Wait the answer comes when the change is in effect.
func ExampleClient_Do() {
	url, end := serve()
	defer end()
	api, err := client.New(url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	accepted, err := api.Do(context.Background(), client.Request{
		Path: "/api/v1/tasks/mail/scale", Body: map[string]int{"workers": 4}, Wait: time.Minute,
	})
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown):
		log.Fatal("the answer was lost: ask again with the same Key")
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(accepted.Accepted)
	fmt.Println("settled:", *accepted.Settled)
	// Output:
	// scale task "mail" to 4
	// settled: true
}

// An error that a node answers with says what is wrong; errors.Is finds its kind.
func ExampleRefusedError() {
	url, end := serve()
	defer end()
	api, err := client.New(url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = api.Do(context.Background(), client.Request{Path: "/api/v1/tasks/male/pause"})
	fmt.Println(errors.Is(err, client.ErrNotFound))
	fmt.Println(err)
	// Output:
	// true
	// no such task: "male"
}

// State returns the cluster at this moment, and with it the node that has each worker.
func ExampleClient_State() {
	url, end := serve()
	defer end()
	api, err := client.New(url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	state, _, err := api.State(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range state.Workers {
		fmt.Println(w.Slot(), "is on", w.Node)
	}
	// Output:
	// mail#0 is on n1
	// mail#1 is on n1
}

// Plan shows what operations would do, without doing them.
func ExampleClient_Plan() {
	url, end := serve()
	defer end()
	api, err := client.New(url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	plan, _, err := api.Plan(context.Background(), cluster.Operations{cluster.Scale("mail", 4)})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range plan.Restarts {
		fmt.Printf("%s: %d workers restart, then there are %d; none runs for at most %v\n", r.Task, r.Workers, r.To, r.Gap)
	}
	// Output:
	// mail: 2 workers restart, then there are 4; none runs for at most 10s
}

// Follow keeps a state up to date. The function ends it by an error.
func ExampleClient_Follow() {
	url, end := serve()
	defer end()
	api, err := client.New(url, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	lost := func(err error) { log.Print(err) }
	settled := errors.New("settled")
	err = api.Follow(context.Background(), lost, func(n client.News) error {
		if running, wanted := n.State.Tally(); running == wanted {
			fmt.Printf("%d of %d workers run\n", running, wanted)
			return settled
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// 2 of 2 workers run
	// settled
}
