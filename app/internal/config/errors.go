// Package config reads the configuration of the program.
package config

import "errors"

// ErrUsage: a command was called as it cannot be; the error says how it can. Exit 2.
var ErrUsage = errors.New("usage")
