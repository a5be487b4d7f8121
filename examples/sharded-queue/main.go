// Command sharded-queue consumes a queue in Redis with N workers.
//
// # The model
//
// The queue has 16 partitions, each a stream of its own, so that its order is kept. Worker i of n owns
// the partitions p with p % n == i, which takes no coordination: index and count say it all, and neither
// changes while a worker lives. When the task is scaled, all workers have stopped before one with the new
// count starts, so that no partition has two of them.
//
//	orders:0 … orders:15 ──▶ worker 0 … n-1 ──▶ orders:done, a hash with each order's result
//
// A partition has one consumer in its group, on whichever node it runs. What was delivered to a worker that
// crashed before it acknowledged is therefore what the next one reads first. The result and the
// acknowledgement are one transaction, and a result that is there is not written again: an order is
// executed at least once and counts once.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app"
)

const (
	partitions = 16
	group      = "workers"
	consumer   = "owner" // the same for all workers: a partition has one of them at a time
	batch      = 50
)

func stream(partition int) string { return "orders:" + strconv.Itoa(partition) }

func main() {
	client := redis.NewClient(&redis.Options{Addr: redisAddr()})
	if len(os.Args) == 3 && os.Args[1] == "fill" {
		if err := fill(context.Background(), client, os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	app.Main(func(node *xconsumer.Node) {
		node.Handle("orders", queue{client}.run)
	})
}

func redisAddr() string {
	if addr := os.Getenv("REDIS_ADDR"); addr != "" {
		return addr
	}
	return "127.0.0.1:6379"
}

// fill puts orders into the queue: those of a customer into one partition.
func fill(ctx context.Context, client *redis.Client, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("invalid number of orders %q", number)
	}
	pipe := client.Pipeline()
	for i := range n {
		customer := i % 97
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: stream(customer % partitions), Values: map[string]any{"order": i}})
	}
	_, err = pipe.Exec(ctx)
	return err
}

type queue struct{ client *redis.Client }

// run consumes a worker's partitions until it has to stop.
func (q queue) run(ctx context.Context, w *xconsumer.Worker) error {
	for ctx.Err() == nil {
		worked := 0
		for p := w.Index(); p < partitions && ctx.Err() == nil; p += w.Count() {
			n, err := q.consume(ctx, w, p)
			if err != nil {
				return fmt.Errorf("%s: %w", stream(p), err)
			}
			worked += n
		}
		if worked == 0 {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

// consume executes what there is in a partition, up to a batch: first what was delivered before and
// never acknowledged, then what is new.
func (q queue) consume(ctx context.Context, w *xconsumer.Worker, partition int) (n int, err error) {
	name := stream(partition)
	for _, from := range []string{"0", ">"} {
		read, err := q.client.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: consumer, Streams: []string{name, from}, Count: batch, Block: -1,
		}).Result()
		switch {
		case errors.Is(err, redis.Nil):
			continue
		case err != nil && strings.HasPrefix(err.Error(), "NOGROUP"):
			err = q.client.XGroupCreateMkStream(ctx, name, group, "0").Err()
			if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
				return n, err
			}
			return n, nil // the next round finds it
		case err != nil && ctx.Err() != nil:
			return n, nil
		case err != nil:
			return n, err
		}
		for _, message := range read[0].Messages {
			if !w.Valid() { // the lease is over: another node may have the partition
				return n, nil
			}
			if err := q.execute(ctx, w, name, message); err != nil {
				if ctx.Err() != nil {
					return n, nil
				}
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// execute executes one order and notes its result.
func (q queue) execute(ctx context.Context, w *xconsumer.Worker, name string, m redis.XMessage) error {
	result := fmt.Sprintf("by %s#%d, token %d", w.Task(), w.Index(), w.Token())
	_, err := q.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.HSetNX(ctx, "orders:done", fmt.Sprint(m.Values["order"]), result)
		pipe.HIncrBy(ctx, "orders:executed", fmt.Sprint(m.Values["order"]), 1)
		pipe.XAck(ctx, name, group, m.ID)
		return nil
	})
	return err
}
