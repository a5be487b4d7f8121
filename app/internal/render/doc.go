// Package render writes the answers of the API, for people and for programs.
//
// # The model
//
//	answer ─▶ Output ─┬▶ JSON, YAML: the answer itself
//	                  ├▶ names, one a line
//	                  └▶ text for people: State, Plan, Decisions … write Tables as wide as the terminal
//
// The functions are pure: they read an answer and write into a buffer. Screen alone writes to a terminal, and Time and
// ParseTime agree about the form of a time, so that a flag accepts every time that a command prints.
package render
