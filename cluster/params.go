package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxParams bounds the parameters of a task, in bytes: they are part of every grant.
const MaxParams = 4 << 10

// MaxCheckpoint bounds a worker's checkpoint, in bytes.
const MaxCheckpoint = 16 << 10

// Params are the parameters that a task passes to its workers: a JSON object, as compact text; "" for none. They are text so
// that a TaskSpec can be compared with ==.
type Params string

// NewParams makes parameters from any value that encoding/json encodes as an object.
func NewParams(v any) (Params, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("params: %w", err)
	}
	var p Params
	return p, p.UnmarshalJSON(text)
}

// Decode decodes the parameters into a struct or map, as json.Unmarshal does. Without parameters it changes nothing.
func (p Params) Decode(into any) error {
	if p == "" {
		return nil
	}
	return json.Unmarshal([]byte(p), into)
}

// MarshalJSON implements json.Marshaler.
func (p Params) MarshalJSON() ([]byte, error) {
	if p == "" {
		return []byte("{}"), nil
	}
	return []byte(p), nil
}

// UnmarshalJSON implements json.Unmarshaler. It refuses everything but an object and null.
func (p *Params) UnmarshalJSON(text []byte) error {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return err
	}
	switch compact := b.String(); {
	case compact == "null" || compact == "{}":
		*p = ""
	case compact[0] != '{':
		return errors.New("params: want an object, as in {\"queue\": \"mail\"}")
	default:
		*p = Params(compact)
	}
	return nil
}

// Validate refuses parameters that are too large, or not a compact object.
func (p Params) Validate() error {
	if len(p) > MaxParams {
		return fmt.Errorf("%d bytes are more than %d; store large data elsewhere and pass a reference", len(p), MaxParams)
	}
	var same Params
	if p != "" && (same.UnmarshalJSON([]byte(p)) != nil || same != p) {
		return errors.New("not a compact JSON object")
	}
	return nil
}
