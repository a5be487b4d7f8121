// Package config reads the configuration of the program.
package config

import "errors"

// ErrUsage matches the errors of an invalid command line; each contains the fix. Exit 2.
var ErrUsage = errors.New("usage")
