//go:build linux || darwin

package etcdserver

import "syscall"

// freeBytes returns how much may still be written where a directory is, or is to be.
func freeBytes(path string) (bytes uint64, ok bool) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(path, &stat); err != nil {
		return 0, false
	}
	return stat.Bavail * uint64(stat.Bsize), true
}
