package cluster

import "encoding/json"

// Unknown are the fields of a stored value that this version of the program does not know, as a JSON object, "" if there are
// none: a later version has added them. They are kept when the value is stored again. It is a string so that what has
// it is still compared by ==.
type Unknown string

// Fields returns the fields by name.
func (u Unknown) Fields() map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	if u != "" {
		_ = json.Unmarshal([]byte(u), &fields) // what is no object has none
	}
	return fields
}
