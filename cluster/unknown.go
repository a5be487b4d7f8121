package cluster

import "encoding/json"

// Unknown holds the fields of a stored value that this version of the program does not support, since a later version has
// added them. It is a JSON object, or "" if there are none. The fields are kept when the value is stored again. It is text
// so that values that contain it can be compared with ==.
type Unknown string

// Fields returns the fields by name.
func (u Unknown) Fields() map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	if u != "" {
		_ = json.Unmarshal([]byte(u), &fields) // text that is not an object has no fields
	}
	return fields
}
