//go:build !linux

package app

// keepSecrets does nothing: other systems have no such switch.
func keepSecrets() {}
