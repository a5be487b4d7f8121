//go:build race

package sim_test

// raced says that the race detector watches, which makes histories ten times as slow.
const raced = true
