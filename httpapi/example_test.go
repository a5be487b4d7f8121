package httpapi_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

// A program serves the API of its node, and the console, on a mux of its own.
func ExampleNew() {
	discard := slog.New(slog.DiscardHandler)
	node, err := xconsumer.New(mem.New(mem.Config{}).Client(), xconsumer.Config{Cluster: "demo", Name: "n1", Log: discard})
	if err != nil {
		log.Fatal(err)
	}
	api := httpapi.New(node.Admin(), httpapi.Options{Log: discard})
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	server := httptest.NewServer(mux) // in a program: http.ListenAndServe

	ctx, leave := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Go(func() { _ = api.Run(ctx) })
	both.Go(func() { _ = node.Run(ctx) })
	defer both.Wait()
	defer server.Close()
	defer leave()

	asker, err := client.New(server.URL, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	health, err := asker.Health(ctx, false)
	fmt.Println(health.Node, health.Status, err)
	// Output: n1 ok <nil>
}
