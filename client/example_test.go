package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
)

func ExampleClient_Do() {
	api, err := client.New("http://127.0.0.1:8800", client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	accepted, err := api.Do(context.Background(), client.Request{
		Path: "/api/v1/tasks/test01/scale", Body: map[string]int{"workers": 4}, Wait: time.Minute,
	})
	switch {
	case errors.Is(err, client.ErrOutcomeUnknown):
		log.Fatal("the answer was lost: ask again with the same Key")
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(accepted.Accepted, accepted.Waiting)
}

func ExampleClient_Follow() {
	api, err := client.New("http://127.0.0.1:8800", client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	lost := func(err error) { log.Print(err) }
	err = api.Follow(context.Background(), lost, func(n client.News) error {
		if n.Event != nil {
			fmt.Println(n.Event.Kind, n.Event.Node)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
}
