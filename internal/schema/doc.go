// Package schema is the layout of the store: every key and the format of every record.
// Nothing else builds a path or marshals a record.
//
// # The model
//
// A record is a JSON object that a person can read: field v is the version of its format,
// times are RFC 3339, durations are written as "30s". Fields that this version does not
// know are kept when a record is written again.
//
// Records that only this system writes carry their own version, which must equal the
// version of their key: a hand edit shows as a mismatch ([ErrForeign]). Tasks and settings
// carry none; there a hand edit is legal input.
package schema
