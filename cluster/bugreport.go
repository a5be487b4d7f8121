package cluster

import (
	"encoding/json"
	"time"
)

// BugReport is the records that the store holds of a cluster, except checkpoints, runs that are over, and the secret by which
// nodes authenticate to each other. Whatever people wrote into the params of tasks is part of it.
type BugReport struct {
	Cluster string         `json:"cluster"`
	Node    string         `json:"node"`            // the node that made it
	Build   string         `json:"build,omitempty"` // the version of its program
	At      time.Time      `json:"at"`
	Records []StoredRecord `json:"records"` // by key
}

// StoredRecord is one record of the store.
type StoredRecord struct {
	Key     string          `json:"key"`
	Version int64           `json:"version"`
	Bound   bool            `json:"bound,omitempty"` // deleted with the session that wrote it
	Value   json.RawMessage `json:"value,omitempty"`
	Text    string          `json:"text,omitempty"` // in place of Value, if the record is not JSON
}
