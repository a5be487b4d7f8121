// Package schema is the layout of the store: every key and the format of every record.
// Nothing else builds a path or marshals a record.
//
// # The model
//
// A record is a JSON object that people can read: field v is the version of its format, times are RFC 3339, durations are written
// as "30s". Fields that this version does not know are kept when a record is written again.
//
// Records that only this system writes contain their own version, which must equal the version of their key: a manual edit shows
// as a mismatch ([ErrForeign]). Tasks and settings do not contain one: there a manual edit is allowed.
package schema
