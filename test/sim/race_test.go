//go:build race

package sim_test

// raced tells that the race detector watches, which makes histories ten times as slow.
const raced = true
