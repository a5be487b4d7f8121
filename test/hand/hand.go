// Package hand is what a person does to single records of a store, by mistake.
package hand

import "encoding/json"

// Spoilt is a value that no record can have.
const Spoilt = `{"v":1,`

// AtVersion returns a record as it is at another version.
func AtVersion(value []byte, version int64) []byte {
	fields := map[string]any{}
	if json.Unmarshal(value, &fields) != nil {
		return value
	}
	if _, versioned := fields["version"]; versioned {
		fields["version"] = version
	}
	value, _ = json.Marshal(fields)
	return value
}
