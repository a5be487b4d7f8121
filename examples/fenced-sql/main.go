// Command fenced-sql keeps a number in an SQL database for each worker slot, and counts it up.
//
// # The model
//
// A worker reads, thinks, and writes. Were it paused between the two for longer than its lease lasts, by a
// hypervisor say, its successor would have written meanwhile, and the late write would undo that. No lease
// can exclude it, since nobody can tell a paused process that its time is over. So the row remembers the
// highest fencing token that was used on it, and takes no lower one: that is one more condition in the
// WHERE of every UPDATE, and any database can do it.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	_ "modernc.org/sqlite"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app"
)

// errFenced says that a successor has written already.
var errFenced = errors.New("the database has seen a newer token")

func main() {
	path := "ledger.db"
	if p := os.Getenv("LEDGER"); p != "" {
		path = p
	}
	app.Main(func(node *xconsumer.Node) {
		node.Handle("ledger", func(ctx context.Context, w *xconsumer.Worker) error {
			db, err := open(ctx, path)
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			l := ledger{db: db, think: func() { time.Sleep(100 * time.Millisecond) }}
			return l.run(ctx, w)
		})
	})
}

// open opens the database and makes its table.
func open(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS ledger (
		slot  TEXT PRIMARY KEY,
		value INTEGER NOT NULL,
		token INTEGER NOT NULL -- the highest one that was used on this row
	)`)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

type ledger struct {
	db    *sql.DB
	think func()
}

func (l ledger) run(ctx context.Context, w *xconsumer.Worker) error {
	slot := fmt.Sprintf("%s#%d", w.Task(), w.Index())
	if err := l.claim(ctx, slot, w.Token()); err != nil {
		return err
	}
	for ctx.Err() == nil {
		value, err := l.read(ctx, slot)
		if err != nil {
			return err
		}
		l.think()
		// Not ctx: a write that is under way when the worker has to stop may as well be finished.
		if err := l.write(context.WithoutCancel(ctx), slot, w.Token(), value+1); err != nil {
			return err
		}
	}
	return nil
}

// claim makes the row the token's, before anything is read: what is read later than that cannot be
// overtaken by an older token.
func (l ledger) claim(ctx context.Context, slot string, token int64) error {
	return affected(l.db.ExecContext(ctx, `
		INSERT INTO ledger (slot, value, token) VALUES (?, 0, ?)
		ON CONFLICT (slot) DO UPDATE SET token = excluded.token WHERE token <= excluded.token`, slot, token))
}

func (l ledger) read(ctx context.Context, slot string) (value int64, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT value FROM ledger WHERE slot = ?`, slot).Scan(&value)
	return value, err
}

func (l ledger) write(ctx context.Context, slot string, token, value int64) error {
	return affected(l.db.ExecContext(ctx, `UPDATE ledger SET value = ?, token = ? WHERE slot = ? AND token <= ?`, value, token, slot, token))
}

// affected makes an error of a statement that has changed no row.
func affected(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		err = errFenced
	}
	return err
}
