package cluster

import (
	"encoding/json"
	"time"
)

// BugReport is everything that the store holds of a cluster, for a bug report.
type BugReport struct {
	Cluster string         `json:"cluster"`
	Node    string         `json:"node"`            // that made it
	Build   string         `json:"build,omitempty"` // of its program
	At      time.Time      `json:"at"`
	Records []StoredRecord `json:"records"` // by key
}

// StoredRecord is a record of the store.
type StoredRecord struct {
	Key     string          `json:"key"`
	Version int64           `json:"version"`
	Bound   bool            `json:"bound,omitempty"` // to a session
	Value   json.RawMessage `json:"value,omitempty"`
	Text    string          `json:"text,omitempty"` // in place of Value, of a record that is no JSON
}
