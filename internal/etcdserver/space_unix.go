//go:build linux || darwin

package etcdserver

import "syscall"

// freeBytes returns how many bytes may still be written on the disk of a directory, which need
// not exist yet.
func freeBytes(path string) (bytes uint64, ok bool) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return 0, false
	}
	return stat.Bavail * uint64(stat.Bsize), true
}
