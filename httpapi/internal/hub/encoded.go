package hub

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// encodedReuse is the maximum age of an encoded state that is sent although there is a newer one. So a cluster that changes
// all the time does not cost more than ten encodings a second.
const encodedReuse = 100 * time.Millisecond

// encoded is a state as JSON, plain and zipped. It is made at the first request and shared by all.
type encoded struct {
	once       sync.Once
	at         time.Time // when it was made
	plain, zip []byte
	err        error
}

// make encodes a state once.
func (e *encoded) make(state *cluster.State) error {
	e.once.Do(func() { e.err = e.encode(state) })
	return e.err
}

func (e *encoded) encode(state *cluster.State) (err error) {
	e.at = time.Now()
	e.plain, err = json.Marshal(state)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(e.plain)
	}
	if err == nil {
		err = z.Close()
	}
	e.zip = b.Bytes()
	return err
}
