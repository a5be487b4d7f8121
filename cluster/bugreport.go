package cluster

import (
	"encoding/json"
	"time"
)

// BugReport is the records that the store holds of a cluster, except checkpoints, runs that are over, and the secret by which
// nodes authenticate to each other. Whatever people wrote into the params of tasks is part of it.
type BugReport struct {
	Cluster string         `json:"cluster" doc:"Name of the cluster."`
	Node    string         `json:"node" doc:"Node that made the report."`
	Build   string         `json:"build,omitempty" doc:"Version of its program."`
	At      time.Time      `json:"at" doc:"Time of the report."`
	Records []StoredRecord `json:"records" doc:"Records of the store, by key."`
}

// StoredRecord is one record of the store.
type StoredRecord struct {
	Key     string          `json:"key" doc:"Key of the record."`
	Version int64           `json:"version" doc:"Version of the key."`
	Bound   bool            `json:"bound,omitempty" doc:"True if the record is deleted with the session that wrote it."`
	Value   json.RawMessage `json:"value,omitempty" doc:"The record, if it is JSON."`
	Text    string          `json:"text,omitempty" doc:"The record as text, if it is not JSON."`
}
