// Package render writes what the API answers, for people and for programs.
//
// # The model
//
//	answer ─▶ Output ─┬▶ JSON, YAML: the answer itself
//	                  ├▶ names, one a line
//	                  └▶ text for people: State, Plan, Decisions … write Tables as wide as the terminal
//
// The functions are pure: they read an answer and write into a buffer. Screen alone writes to a terminal, and Time and
// ParseTime agree about the form of a time, so that every time that is printed can be given back in a flag.
package render
