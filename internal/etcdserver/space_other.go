//go:build !linux && !darwin

package etcdserver

// freeBytes is not implemented on this system.
func freeBytes(string) (bytes uint64, ok bool) { return 0, false }
