// Package config reads the configuration of the program.
package config

import "errors"

// ErrUsage matches the errors of a command that was called as it cannot be; each says how it can. Exit 2.
var ErrUsage = errors.New("usage")
